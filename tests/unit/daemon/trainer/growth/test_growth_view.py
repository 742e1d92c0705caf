"""What is shown before growing by hand, also of a brain that grows neither experts nor columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.config import GrowthConfig
from brain.growth.plan import Birth, GrowthPlan
from brain.growth.site import Site
from daemon.trainer.growth.growth_state import GrowthState
from daemon.trainer.growth.growth_view import growth_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from brain.capabilities import Growable
    from brain.growth.operators import Growth
    from brain.growth.signals import SiteProbe
    from brain.ports import Batch

COUNTS = {"num_neurons": 60, "num_parameters": 5000}


class Plain:
    """A growable brain of another kind: two sites of which one is frozen, and no operator but widening."""

    def sites(self) -> Mapping[str, Site]:
        return {
            "old": Site(units=20, born_units=20, place=0, parameters_per_unit=8, frozen=True),
            "young": Site(units=40, born_units=20, place=1, parameters_per_unit=8),
        }

    def grow(self, plan: GrowthPlan) -> Growth:
        raise AssertionError(plan)

    def rebuild(self, spec: Mapping[str, Any]) -> None:
        raise AssertionError(spec)

    def probe_sites(self, batch: Batch, generator: torch.Generator) -> Mapping[str, SiteProbe]:
        raise AssertionError(batch, generator)


class WithColumns(Plain):
    """The same, but a column can be born beside it."""

    def next_column(self) -> Birth:
        return Birth(name="columns.0", units=30, parameters=900, width=4, freezes=3500)


def view(brain: Growable, **limits: Any) -> dict[str, Any]:
    return growth_view(brain, GrowthState(), GrowthConfig(**limits), fraction=0.5, counts=COUNTS)


def test_a_brain_without_the_operators_reports_it() -> None:
    shown = view(Plain())
    assert shown["modules"] == []  # it cannot be watched
    assert shown["column"] == {
        "newborns": 0, "parameters": 0, "width": 0, "freezes": 0, "reason": "this brain grows no columns", **COUNTS,
    }  # fmt: skip
    young = shown["sites"][1]
    assert young["expert"] == {
        "newborns": 0, "parameters": 0, "reason": "experts stand beside the MLP of a block",
    }  # fmt: skip
    assert young["preview"] == {"newborns": 20, "units": 60, "num_neurons": 80, "num_parameters": 5160}
    for operator, words in (
        ("column", "this brain grows no columns"),
        ("expert", "no expert can be added beside young"),
    ):
        plan = GrowthPlan(operator=operator, site="young", units=4, trigger="by_hand", reason="")  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match=words):
            apply_growth(Plain(), plan, max_neurons=100)


def test_a_frozen_site_has_all_the_units_it_will_ever_have() -> None:
    old = view(Plain())["sites"][0]
    assert (old["units"], old["max_units"], old["preview"]["units"]) == (20, 20, 20)
    reasons = {old["reason"], old["deeper"]["reason"], old["expert"]["reason"]}
    assert (old["eligible"], reasons) == (False, {"frozen: an older column"})


def test_a_column_is_shown_with_what_it_brings_and_what_it_freezes() -> None:
    assert view(WithColumns())["column"] == {
        "newborns": 30, "parameters": 900, "width": 4, "freezes": 3500, "reason": None, "num_neurons": 90,
        "num_parameters": 2400,
    }  # fmt: skip
    crowded = view(WithColumns(), max_neurons=89)["column"]
    assert crowded["reason"] == "a column has 30 units, growth.max_neurons = 89 leaves room for 29"


def test_cool_downs_follow_from_the_verdicts_and_the_record_shows_them() -> None:
    verdict = {"paid": False, "gain": 0.0}
    record = {"step": 2000, "site": "young", "trigger": "bottleneck", "verdict": verdict}
    state = GrowthState(history=[record], last_growth_step=2000)
    shown = growth_view(Plain(), state, GrowthConfig(), fraction=0.5, counts=COUNTS)
    assert [site["cooldown_steps"] for site in shown["sites"]] == [2000, 4000]
    assert (shown["cooldown_steps"], shown["last_growth_step"], shown["trial"]) == (4000, 2000, None)
    assert shown["history"] == [record]
