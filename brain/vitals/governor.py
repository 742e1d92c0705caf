"""Keeps probes within their share of the training time, plus one tick: widens the interval rather than exceed that.

The first tick is taken on credit, for nobody knows yet what it costs; every later one when it is paid for.
Pure: a decision follows from measured costs and training time, and influences nothing but when to look.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.vitals.config import VitalsConfig

_COST_MEMORY = 0.8  # weight of the past in the expected cost of a tick
_SAVED_TICKS = 2.0  # a pause or a cheap stretch may not save up more than this many ticks


@dataclass(frozen=True, kw_only=True)
class GovernorState:
    """All the governor knows, JSON-able as `dataclasses.asdict` gives it.

    Attributes:
        last_step: step of the last tick.
        ticks: ticks so far.
        spent_seconds: measured cost of all of them.
        training_seconds: training time when last asked.
        credit_seconds: what may still be spent; negative after a tick that cost more than expected.
        expected_seconds: cost expected of the next tick, a running mean.
        interval_steps: steps between the last two ticks; 0 before the second.
    """

    last_step: int = 0
    ticks: int = 0
    spent_seconds: float = 0.0
    training_seconds: float = 0.0
    credit_seconds: float = 0.0
    expected_seconds: float = 0.0
    interval_steps: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> GovernorState:
        """Take back what `dataclasses.asdict` gave; fields of another version are left out."""
        known = {part.name for part in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


def advance(state: GovernorState, config: VitalsConfig, *, training_seconds: float) -> GovernorState:
    """Earn credit for the training time since last asked; time that ran backwards earns none."""
    elapsed = max(0.0, training_seconds - state.training_seconds)
    saved = max(state.credit_seconds, _SAVED_TICKS * state.expected_seconds)
    credit = state.credit_seconds + config.budget_share * elapsed
    if state.ticks:
        credit = min(credit, saved)
    return dataclasses.replace(state, training_seconds=training_seconds, credit_seconds=credit)


def is_due(state: GovernorState, config: VitalsConfig, *, step: int) -> bool:
    """Whether to tick: enough steps have passed and the credit covers what a tick is expected to cost."""
    if not config.enabled or step - state.last_step < config.every_steps:
        return False
    return state.credit_seconds > 0.0 and state.credit_seconds >= state.expected_seconds


def after_tick(state: GovernorState, *, step: int, cost_seconds: float) -> GovernorState:
    """Pay for a tick and remember what it cost."""
    memory = _COST_MEMORY if state.ticks else 0.0
    return dataclasses.replace(
        state,
        last_step=step,
        ticks=state.ticks + 1,
        spent_seconds=state.spent_seconds + cost_seconds,
        credit_seconds=state.credit_seconds - cost_seconds,
        expected_seconds=memory * state.expected_seconds + (1.0 - memory) * cost_seconds,
        interval_steps=step - state.last_step if state.ticks else 0,
    )


def governor_points(state: GovernorState) -> dict[str, float]:
    """What goes into the series at a tick: how many there were, their cost in all and each, how far apart they are.

    The interval is left out before the second tick, for one tick has none.
    """
    share = state.spent_seconds / state.training_seconds if state.training_seconds > 0 else 0.0
    points = {
        "vitals_ticks": float(state.ticks),
        "vitals_spent_seconds": state.spent_seconds,
        "vitals_share": share,
        "vitals_tick_ms": 1e3 * state.expected_seconds,
    }
    if state.ticks > 1:
        points["vitals_interval_steps"] = float(state.interval_steps)
    return points
