"""Config of the effective rank; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("effective_rank", builds="brain.vitals.signs.effective_rank.sign:EffectiveRankSign")
@dataclass(frozen=True, kw_only=True)
class EffectiveRankConfig:
    """How many directions the hidden units use, as a share of their number: a stiff brain uses few.

    Attributes:
        sites_per_tick: sites looked at in a tick, in turn; the others keep what was found last.
    """

    label: ClassVar[str] = "Effective rank"
    band: ClassVar[tuple[float, float]] = (0.1, 0.9)

    sites_per_tick: int = 1
