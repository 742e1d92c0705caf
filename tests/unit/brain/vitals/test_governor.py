"""The governor keeps probes within their share, whatever they cost."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest

from brain.vitals.config import VitalsConfig
from brain.vitals.governor import GovernorState, advance, after_tick, governor_points, is_due

STEP_SECONDS = 0.18


def run(
    config: VitalsConfig, cost_seconds: float, *, num_steps: int = 20_000, state: GovernorState | None = None
) -> tuple[GovernorState, list[int]]:
    state = state or GovernorState()
    ticks = []
    for step in range(1, num_steps + 1):
        state = advance(state, config, training_seconds=step * STEP_SECONDS)
        if is_due(state, config, step=step):
            state = after_tick(state, step=step, cost_seconds=cost_seconds)
            ticks.append(step)
    return state, ticks


@pytest.mark.parametrize("cost_seconds", [0.001, 0.05, 0.5, 5.0])
def test_share_is_never_exceeded_for_long(cost_seconds: float) -> None:
    state, ticks = run(VitalsConfig(), cost_seconds)
    assert ticks
    assert state.spent_seconds <= 0.01 * state.training_seconds + cost_seconds
    assert governor_points(state)["vitals_share"] == state.spent_seconds / state.training_seconds <= 0.0115


def test_cheap_probes_keep_the_configured_tick_and_dear_ones_widen_it() -> None:
    _, cheap = run(VitalsConfig(every_steps=50), 0.001)
    state, dear = run(VitalsConfig(every_steps=50), 0.5)
    assert {after - before for before, after in itertools.pairwise(cheap)} == {50}
    assert len(dear) == pytest.approx(20_000 * STEP_SECONDS * 0.01 / 0.5, abs=2)
    assert governor_points(state)["vitals_interval_steps"] > 200


def test_one_tick_has_no_interval_two_have_theirs() -> None:
    once = after_tick(GovernorState(training_seconds=10.0), step=50, cost_seconds=0.5)
    assert governor_points(once) == {
        "vitals_ticks": 1.0,
        "vitals_spent_seconds": 0.5,
        "vitals_share": 0.05,
        "vitals_tick_ms": 500.0,
    }
    twice = governor_points(after_tick(once, step=836, cost_seconds=0.25))
    assert (twice["vitals_ticks"], twice["vitals_interval_steps"]) == (2.0, 786.0)
    assert twice["vitals_spent_seconds"] == 0.75


def test_a_pause_saves_up_no_burst() -> None:
    config = VitalsConfig(every_steps=1)
    state, _ = run(config, 0.05, num_steps=500)
    rested = advance(state, config, training_seconds=state.training_seconds + 3_600)
    assert rested.credit_seconds <= 0.1 + 1e-9


def test_time_that_runs_backwards_earns_nothing() -> None:
    config = VitalsConfig()
    state, _ = run(config, 0.05, num_steps=500)
    assert advance(state, config, training_seconds=0.0).credit_seconds == state.credit_seconds


def test_disabled_never_ticks() -> None:
    assert run(VitalsConfig(enabled=False), 0.001)[1] == []


def test_state_survives_as_json() -> None:
    state, _ = run(VitalsConfig(), 0.05, num_steps=700)
    stored = json.loads(json.dumps(dataclasses.asdict(state)))
    assert GovernorState.from_json({**stored, "of_another_version": 1}) == state
