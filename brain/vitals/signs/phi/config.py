"""Config of Φ; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("phi", builds="brain.vitals.signs.phi.sign:PhiSign")
@dataclass(frozen=True, kw_only=True)
class PhiConfig:
    """How much a known nudge to one half of the brain tells about the other half, beyond the halves alone.

    Attributes:
        nudge: α, injected noise in units of each component's natural standard deviation.
        half_life_ticks: after this many ticks a measurement weighs half.
    """

    label: ClassVar[str] = "Φ"
    band: ClassVar[tuple[float, float]] = (0.4, 0.8)

    nudge: float = 0.3
    half_life_ticks: float = 8.0
