"""The loss of the newest steps: one step of few bytes is too noisy to be read off."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import StepReport

STEPS = 100
OF_BYTES = ("mixed_bpc",)  # what a brain may report beside its loss as a mean over the bytes of the step


class RecentLoss:
    """Means over the bytes of the newest `STEPS` steps awake of this session."""

    def __init__(self) -> None:
        self._newest: deque[tuple[int, dict[str, float]]] = deque(maxlen=STEPS)

    def follow(self, report: StepReport, metrics: Mapping[str, float]) -> dict[str, float]:
        """The metrics of a step with such means in place of its own, and `recent_bpc`."""
        if not report.num_bytes or not math.isfinite(report.loss):
            return dict(metrics)
        own = {name: metrics[name] for name in OF_BYTES if name in metrics}
        self._newest.append((report.num_bytes, {"recent_bpc": report.loss / math.log(2), **own}))
        return {**metrics, **{name: self._mean(name) for name in ("recent_bpc", *own)}}

    def _mean(self, name: str) -> float:
        known = [(count, values[name]) for count, values in self._newest if name in values]
        return sum(count * value for count, value in known) / sum(count for count, _ in known)
