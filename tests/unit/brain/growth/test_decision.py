"""When to grow: rules over hand-written histories; nothing here knows a brain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brain.errors import SettingsError
from brain.growth.config import GrowthConfig
from brain.growth.cooldowns import Cooldowns
from brain.growth.decision import (
    column_by_hand,
    decide_growth,
    deepen_by_hand,
    expert_by_hand,
    newborn_units,
    plan_by_hand,
    room_for,
    why_no_expert,
    why_not_deeper,
)
from brain.growth.history import GrowthHistory, SiteSignal
from brain.growth.plan import Birth, GrowthPlan, Proposal
from brain.growth.site import Site
from brain.growth.triggers import triggers
from brain.growth.triggers.bottleneck import Bottleneck
from brain.growth.triggers.high_activation import HighActivation
from brain.growth.triggers.rising_error import RisingError


def site(units: int, place: int, *, born: int = 100, deeper: int = 50) -> Site:
    return Site(units=units, born_units=born, place=place, parameters_per_unit=32, deeper_units=deeper)


def signal(**values: float) -> SiteSignal:
    return SiteSignal(
        **{"utilisation": 0.5, "dormant_share": 0.0, "rank_share": 0.4, "unexpressed": 0.2} | values
    )


def history(**changes: Any) -> GrowthHistory:
    plain: dict[str, Any] = {
        "step": 10_000,
        "sites": {"a": site(100, 0), "b": site(100, 1), "self_model": site(128, 3, born=128, deeper=0)},
        "signals": {"a": signal(), "b": signal(), "self_model": signal()},
        "born_steps": {},
        "error": 2.0,
        "best_error": 2.0,
        "risen_step": None,
        "sleeps": False,
        "slept_step": None,
        "last_growth_step": None,
        "num_growths": 0,
        "num_neurons": 328,
        "recyclable": True,
        "limits": GrowthConfig(),
    }
    wanted = plain | changes
    return GrowthHistory(**{"cooldowns": Cooldowns.of(wanted["limits"], ())} | wanted)


BUSY = {"a": signal(utilisation=0.86), "b": signal(), "self_model": signal(utilisation=0.87)}


def test_a_busy_site_grows_by_a_tenth_with_its_evidence_in_words() -> None:
    plan = decide_growth(history(signals=BUSY), HighActivation(), trigger="high_activation")
    assert plan is not None
    assert (plan.operator, plan.site, plan.units) == ("widen", "self_model", 14)  # 12.8 rounded up, in pairs
    assert plan.reason == "High activation (0.87 > 0.85)"
    assert plan.evidence == {"utilisation": 0.87, "above": 0.85}
    assert GrowthPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    "changes",
    [
        {"signals": {"a": signal(utilisation=0.85)}},
        {"last_growth_step": 8001},
        {"born_steps": {"a": 9001, "self_model": 9500}},
        {"step": 999},  # a newborn brain
        {"num_neurons": 100_000},
        {"num_neurons": 328, "limits": GrowthConfig(max_neurons=328)},
        {"signals": {}},
    ],
)
def test_nothing_grows(changes: dict[str, Any]) -> None:
    assert decide_growth(history(**{"signals": BUSY} | changes), HighActivation()) is None


def test_a_second_growth_of_the_same_step_draws_other_newborns() -> None:
    first, second = (decide_growth(history(signals=BUSY, num_growths=n), HighActivation()) for n in (0, 1))
    assert first is not None
    assert second is not None
    assert first.seed != second.seed


def test_growth_stops_exactly_at_the_hard_limit() -> None:
    plan = decide_growth(history(signals=BUSY, limits=GrowthConfig(max_neurons=335)), HighActivation())
    assert plan is not None
    assert plan.units == 6


def test_dormant_units_come_first_where_they_can_be_renewed() -> None:
    signals = {**BUSY, "self_model": signal(utilisation=0.87, dormant_share=0.1)}
    plan = decide_growth(history(signals=signals), HighActivation())
    assert plan is not None
    assert (plan.operator, plan.units) == ("recycle", 13)
    assert "10% of its units are dormant" in plan.reason
    grown = decide_growth(history(signals=signals, recyclable=False), HighActivation())
    assert grown is not None
    assert grown.operator == "widen"


def test_a_rise_must_last_through_a_sleep_and_the_site_that_lacks_most_grows() -> None:
    signals = {"a": signal(unexpressed=0.3), "b": signal(unexpressed=0.9), "self_model": signal()}
    risen = history(signals=signals, error=2.3, risen_step=7_000)
    plan = decide_growth(risen, RisingError())
    assert plan is not None
    assert (plan.site, plan.evidence["unexpressed"]) == ("b", 0.9)
    assert plan.reason == "Rising error (2.30 > 2.00 + 10%; unexpressed gradient 0.90)"
    for cured in (
        {"risen_step": 9_000},  # it has not lasted
        {"error": 2.19},  # it is back
        {"risen_step": None},
    ):
        assert decide_growth(replace(risen, **cured), RisingError()) is None
    awake = replace(risen, sleeps=True)
    for slept_step, awaits, grows in (
        (None, True, False),  # none was tried yet
        (6_000, True, False),  # the last was before the rise
        (9_501, False, False),  # what it has cured is not known yet
        (9_500, False, True),
    ):
        rested = replace(awake, slept_step=slept_step)
        assert RisingError().awaits_sleep(rested) is awaits
        assert decide_growth(rested, RisingError()) == (plan if grows else None)
    assert not RisingError().awaits_sleep(replace(awake, risen_step=9_000))
    assert not RisingError().awaits_sleep(replace(awake, signals={}))


def test_a_bottleneck_widens_until_it_and_a_neighbour_are_full_then_deepens() -> None:
    tight = {"a": signal(rank_share=0.93), "b": signal(rank_share=0.5), "self_model": signal()}
    plan = decide_growth(history(signals=tight), Bottleneck())
    assert plan is not None
    assert (plan.operator, plan.site) == ("widen", "a")
    assert plan.reason == "Information bottleneck (effective rank 0.93 ≥ 0.90 of width)"
    full = {"a": site(400, 0), "b": site(100, 1), "self_model": site(128, 3, born=128, deeper=0)}
    assert decide_growth(history(signals=tight, sites=full), Bottleneck()) is None
    plan = decide_growth(history(signals=tight, sites=full | {"b": site(400, 1)}), Bottleneck())
    assert plan is not None
    assert (plan.operator, plan.site, plan.units) == ("deepen", "a", 50)
    assert "it and b are full" in plan.reason


def test_a_site_one_unit_short_of_its_cap_keeps_no_other_from_growing() -> None:
    odd = {"a": site(399, 0), "b": site(100, 1), "self_model": site(128, 3, born=128, deeper=0)}
    signals = {
        "a": signal(utilisation=0.9, unexpressed=0.9),
        "b": signal(utilisation=0.86),
        "self_model": signal(),
    }
    risen = {"error": 2.3, "risen_step": 7_000}
    for rule in (HighActivation(), RisingError()):
        plan = decide_growth(history(sites=odd, signals=signals, **risen), rule)
        assert plan is not None
        assert plan.site == "b"
    single = decide_growth(
        history(sites=odd, signals=signals, limits=GrowthConfig(newborns="zero")), HighActivation()
    )
    assert single is not None
    assert (single.site, single.units) == ("a", 1)
    tight = {"a": signal(rank_share=0.93), "b": signal(), "self_model": signal()}
    plan = decide_growth(history(signals=tight, sites=odd | {"b": site(399, 1)}), Bottleneck())
    assert plan is not None
    assert (plan.operator, plan.site) == ("deepen", "a")
    with pytest.raises(SettingsError, match="lets it have 400 units, and newborns come in pairs"):
        plan_by_hand(odd, GrowthConfig(), "a", 0.1, seed=3)


def test_a_block_there_is_no_room_for_keeps_no_site_from_widening() -> None:
    tight = {"a": signal(rank_share=0.95), "b": signal(), "self_model": signal(rank_share=0.92)}
    full = {"a": site(400, 0), "b": site(400, 1), "self_model": site(128, 3, born=128, deeper=0)}
    crowded = history(signals=tight, sites=full, num_neurons=928, limits=GrowthConfig(max_neurons=977))
    plan = decide_growth(crowded, Bottleneck())
    assert plan is not None
    assert (plan.operator, plan.site) == ("widen", "self_model")
    plan = decide_growth(replace(crowded, limits=GrowthConfig(max_neurons=978)), Bottleneck())
    assert plan is not None
    assert (plan.operator, plan.site) == ("deepen", "a")


def test_every_rule_is_registered_with_settings_of_its_own() -> None:
    assert triggers.names() == ["bottleneck", "high_activation", "rising_error"]
    assert all(entry.load() is entry.config and hasattr(GrowthConfig(), entry.name) for entry in triggers)


def test_by_hand_there_is_no_cool_down_but_every_limit() -> None:
    sites = history().sites
    plan = plan_by_hand(sites, GrowthConfig(), "a", 0.25, seed=3)
    assert (plan.trigger, plan.units, plan.reason) == ("by_hand", 26, "By hand (25% of 100 units)")
    for limits, asked, words in (
        (GrowthConfig(max_neurons=328), "a", "max_neurons = 328 leaves room for 0"),
        (GrowthConfig(site_ratio=1.0), "a", "site_ratio = 1 lets it have 100"),
        (GrowthConfig(), "c", "no growth site is called 'c'; there are a, b, self_model"),
    ):
        with pytest.raises(SettingsError, match=words):
            plan_by_hand(sites, limits, asked, 0.1, seed=3)
    for fraction in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(SettingsError, match="fraction"):
            plan_by_hand(sites, GrowthConfig(), "a", fraction, seed=3)


def test_a_block_by_hand_is_born_whole_or_not_at_all() -> None:
    sites = history().sites
    plan = deepen_by_hand(sites, GrowthConfig(max_neurons=378), "b", seed=3)
    assert (plan.operator, plan.site, plan.units, plan.trigger) == ("deepen", "b", 50, "by_hand")
    assert plan.reason == "By hand (50 units)"
    for limits, asked, words in (
        (GrowthConfig(max_neurons=377), "b", "max_neurons = 377 leaves room for 49"),
        (GrowthConfig(), "self_model", "after self_model: it is not in a block"),
        (GrowthConfig(), "c", "no growth site is called 'c'; there are a, b, self_model"),
    ):
        with pytest.raises(SettingsError, match=words):
            deepen_by_hand(sites, limits, asked, seed=3)


EXPERT = Birth(name="a.experts.0", units=25, parameters=1632)
COLUMN = Birth(name="columns.0", units=60, parameters=9000, width=16, freezes=70_000)


def test_an_expert_by_hand_is_born_whole_or_not_at_all() -> None:
    sites = {**history().sites, "a": replace(site(100, 0), expert=EXPERT)}
    plan = expert_by_hand(sites, GrowthConfig(max_neurons=353), "a", seed=3)
    assert (plan.operator, plan.site, plan.units, plan.trigger, plan.seed) == (
        "expert",
        "a",
        25,
        "by_hand",
        3,
    )
    assert plan.reason == "By hand (25 units)"
    assert GrowthPlan.from_json(plan.to_json()) == plan
    for limits, asked, words in (
        (
            GrowthConfig(max_neurons=352),
            "a",
            "an expert has 25 units, growth.max_neurons = 352 leaves room for 24",
        ),
        (GrowthConfig(), "b", "beside b: experts stand beside the MLP of a block"),
        (GrowthConfig(), "c", "no growth site is called 'c'; there are a, b, self_model"),
    ):
        with pytest.raises(SettingsError, match=words):
            expert_by_hand(sites, limits, asked, seed=3)


def test_a_column_by_hand_is_born_whole_or_not_at_all() -> None:
    sites = history().sites
    plan = column_by_hand(sites, GrowthConfig(max_neurons=388), COLUMN, seed=3)
    assert (plan.operator, plan.site, plan.units, plan.width, plan.trigger) == (
        "column",
        "columns.0",
        60,
        16,
        "by_hand",
    )
    assert plan.reason == "By hand (60 units in a stream of 16)"
    assert GrowthPlan.from_json(plan.to_json()) == plan
    with pytest.raises(SettingsError, match="max_neurons = 387 leaves room for 59"):
        column_by_hand(sites, GrowthConfig(max_neurons=387), COLUMN, seed=3)
    with pytest.raises(SettingsError, match="no column can be added: this brain grows no columns"):
        column_by_hand(sites, GrowthConfig(), None, seed=3)


def test_a_plan_journaled_before_columns_is_still_read() -> None:
    older = deepen_by_hand(history().sites, GrowthConfig(), "b", seed=3).to_json()
    del older["width"]
    assert GrowthPlan.from_json(older).width == 0


def test_nothing_frozen_grows_by_itself_or_by_hand() -> None:
    sites = {**history().sites, "self_model": replace(site(128, 3, born=128), frozen=True, expert=EXPERT)}
    plan = decide_growth(history(signals=BUSY, sites=sites), HighActivation())
    assert plan is not None
    assert plan.site == "a"  # the busiest of those that are alive
    full = {**sites, "a": replace(sites["a"], frozen=True)}
    assert decide_growth(history(signals=BUSY, sites=full), HighActivation()) is None

    class Stubborn:
        def propose(self, history: GrowthHistory) -> Proposal:
            assert history.sites["self_model"].frozen
            return Proposal(operator="widen", site="self_model", reason="", evidence={})

    assert decide_growth(history(signals=BUSY, sites=sites), Stubborn()) is None
    limits = GrowthConfig()
    assert room_for(sites, limits, "self_model") == (0, "frozen: an older column")
    assert why_not_deeper(sites, limits, "self_model") == "frozen: an older column"
    assert why_no_expert(sites, limits, "self_model") == "frozen: an older column"


def test_no_more_are_born_than_there_is_room_for() -> None:
    assert newborn_units(16, 0.25, room=100, newborns="pairs") == 4
    assert newborn_units(16, 0.25, room=3, newborns="pairs") == 2
    assert newborn_units(16, 0.25, room=3, newborns="zero") == 3
    assert newborn_units(10, 0.1, room=0, newborns="zero") == 0
