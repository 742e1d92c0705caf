"""Cool-downs follow from what grew and what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from brain.growth.config import GrowthConfig
from brain.growth.cooldowns import Cooldowns
from brain.growth.decision import decide_growth
from brain.growth.triggers.high_activation import HighActivation
from tests.unit.brain.growth.test_decision import BUSY, history


def record(site: str, *, paid: bool | None, trigger: str = "high_activation") -> dict[str, Any]:
    return {"site": site, "trigger": trigger, "verdict": {"paid": paid}}


def cooldowns(*records: dict[str, Any], **limits: Any) -> Cooldowns:
    return Cooldowns.of(GrowthConfig(**limits), records)


def test_a_growth_that_did_not_pay_doubles_the_cool_down_of_its_site_and_one_that_paid_halves_it() -> None:
    found = cooldowns(record("a", paid=False), record("a", paid=False), record("b", paid=True))
    assert [found.of_site(name) for name in ("a", "b", "self_model")] == [8000, 1000, 2000]
    assert found.of_brain() == 4000  # twice doubled, once halved


@pytest.mark.parametrize(("paid", "bound"), [(True, 500), (False, 128_000)])
def test_it_stays_between_a_quarter_and_64_times_the_first(*, paid: bool, bound: int) -> None:
    found = cooldowns(*[record("a", paid=paid)] * 20, record("a", paid=not paid))
    assert found.of_site("a") == (bound // 2 if bound > 2000 else 2 * bound)


@pytest.mark.parametrize(
    "kept",
    [
        {"site": "a", "trigger": "high_activation"},  # of an older checkpoint, or still on trial
        record("a", paid=None),
        record("a", paid=False, trigger="by_hand"),
    ],
)
def test_what_was_not_judged_or_grew_by_hand_changes_nothing(kept: dict[str, Any]) -> None:
    assert cooldowns(kept) == cooldowns()


def test_other_settings_scale_what_was_found_out() -> None:
    assert cooldowns(record("a", paid=False), cooldown_steps=300).of_site("a") == 600
    assert cooldowns(record("a", paid=False), cooldown_steps=0, every_steps=50).of_site("a") == 100


def test_the_brain_rests_after_any_growth_and_a_site_after_its_own() -> None:
    rested = {"signals": BUSY, "last_growth_step": 7000, "born_steps": {"self_model": 7000}}
    for brain, sites, grows in (
        (0, {}, "self_model"),
        (1, {}, None),  # 4,000 steps for the brain
        (0, {"self_model": 1}, "a"),  # the next busiest
        (0, {"a": 1}, "self_model"),
    ):
        found = history(**rested, cooldowns=Cooldowns(first=2000, sites=sites, brain=brain))
        plan = decide_growth(found, HighActivation())
        assert (None if plan is None else plan.site) == grows
