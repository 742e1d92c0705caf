"""How fast the run learns, and what its brain counts by itself: about once a second, and when its state changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.trainer.link.reporting import Reporter

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
        self._unreported: Mapping[str, float] = {}

    def change(self, reporter: Reporter, step: int, *, steps_follow: bool) -> None:
        """Start counting here, where the run's state changes: what was shown until now must not look like now.

        Args:
            reporter: takes what the brain counted last, and a pace of zero unless steps follow.
            step: of the run.
            steps_follow: the run makes steps in its new state.
        """
        self._report_metrics(reporter, step)
        if not steps_follow:
            reporter.point("steps_per_second", step, 0.0)
            reporter.point("bytes_per_second", step, 0.0)
        self._begin(step)

    def report(self, reporter: Reporter, step: int, metrics: Mapping[str, float]) -> None:
        """Steps and bytes a second, and the brain's own metrics of this step, about once a second."""
        self._unreported = metrics or self._unreported
        since, first_step, first_bytes = self._since
        seconds = self._monotonic() - since
        if seconds >= EVERY_SECONDS:
            reporter.point("steps_per_second", step, (step - first_step) / seconds)
            reporter.point("bytes_per_second", step, (self.num_bytes - first_bytes) / seconds)
            self._report_metrics(reporter, step)
            self._begin(step)

    def _report_metrics(self, reporter: Reporter, step: int) -> None:
        for name, value in self._unreported.items():
            reporter.point(name, step, value)
        self._unreported = {}

    def _begin(self, step: int) -> None:
        self._since = (self._monotonic(), step, self.num_bytes)
