"""Config of the dormant share; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("dormant_share", builds="brain.vitals.signs.dormant_share.sign:DormantShareSign")
@dataclass(frozen=True, kw_only=True)
class DormantShareConfig:
    """Share of hidden units that say next to nothing: what a brain loses first when it stiffens.

    Attributes:
        threshold: a unit is dormant at this share of its layer's mean activity, or below.
    """

    label: ClassVar[str] = "Dormant share"
    band: ClassVar[tuple[float, float]] = (0.0, 0.1)

    threshold: float = 0.025
