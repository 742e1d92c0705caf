"""Config of confidence; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("confidence", builds="brain.vitals.signs.confidence.sign:ConfidenceSign")
@dataclass(frozen=True, kw_only=True)
class ConfidenceConfig:
    """Whether the brain is surer when it is right than when it is wrong (type-2 AUROC).

    Attributes:
        window_predictions: predictions that count, the newest, each scored before it was learned from.
        warm_up_predictions: predictions needed before a value is shown.
    """

    label: ClassVar[str] = "Confidence"
    band: ClassVar[tuple[float, float]] = (0.5, 0.9)

    window_predictions: int = 4096
    warm_up_predictions: int = 512
