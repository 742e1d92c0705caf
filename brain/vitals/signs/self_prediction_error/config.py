"""Config of the self-prediction error; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register(
    "self_prediction_error", builds="brain.vitals.signs.self_prediction_error.sign:SelfPredictionErrorSign"
)
@dataclass(frozen=True, kw_only=True)
class SelfPredictionErrorConfig:
    """How much of its next internal state the brain fails to foresee (fraction of variance unexplained).

    Attributes:
        window_states: states that count, the newest, each predicted before it was learned from.
        states_per_step: at most this many are kept of a step, evenly spread.
    """

    label: ClassVar[str] = "Self-prediction error"
    band: ClassVar[tuple[float, float]] = (0.0, 0.5)

    window_states: int = 2048
    states_per_step: int = 256
