"""How fast the run learns, and what its brain counts by itself: about once a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.trainer.reporting import Reporter

EVERY_SECONDS = 1.0


class Pace:
    """Counts since the last report; pauses are left out.

    Attributes:
        num_bytes: learned from in this session, so far.
    """

    def __init__(self, step: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.num_bytes = 0
        self._monotonic = monotonic
        self._since = (monotonic(), step, 0)

    def begin(self, step: int) -> None:
        """Start counting here."""
        self._since = (self._monotonic(), step, self.num_bytes)

    def report(self, reporter: Reporter, step: int, metrics: Mapping[str, float]) -> None:
        """Steps and bytes a second, and the brain's own metrics of this step, about once a second."""
        since, first_step, first_bytes = self._since
        seconds = self._monotonic() - since
        if seconds >= EVERY_SECONDS:
            reporter.point("steps_per_second", step, (step - first_step) / seconds)
            reporter.point("bytes_per_second", step, (self.num_bytes - first_bytes) / seconds)
            for name, value in metrics.items():
                reporter.point(name, step, value)
            self.begin(step)
