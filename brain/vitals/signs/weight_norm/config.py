"""Config of the weight norm; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("weight_norm", builds="brain.vitals.signs.weight_norm.sign:WeightNormSign")
@dataclass(frozen=True, kw_only=True)
class WeightNormConfig:
    """Root mean square of the weights into and out of the hidden units: it creeps up as a brain stiffens."""

    label: ClassVar[str] = "Weight norm"
    band: ClassVar[tuple[float, float]] = (0.0, 0.5)
