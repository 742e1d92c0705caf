"""A finished step, awake or asleep: counted, and its row of hot metrics reported."""

from __future__ import annotations

import math
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from daemon.trainer.steps.recent_loss import RecentLoss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import StepReport
    from daemon.trainer.link.pace import Pace
    from daemon.trainer.link.reporting import Reporter
    from daemon.trainer.ports import Life
    from daemon.trainer.state.progress import Progress


class StepLog:
    """Counts steps."""

    def __init__(self, progress: Progress, pace: Pace, reporter: Reporter, life: Life) -> None:
        self._progress = progress
        self._pace = pace
        self._reporter = reporter
        self._life = life
        self._recent = RecentLoss()

    def finish(
        self,
        report: StepReport,
        *,
        num_samples: int,
        seconds: float,
        metrics: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """The step is finished: totals, its row of metrics, the pace, a sign of life.

        Args:
            report: of the step.
            num_samples: rows of text that were new.
            seconds: it took.
            metrics: the brain's own, to be reported with the pace.
        """
        bpc = report.loss / math.log(2)
        self._progress.count(bpc, num_samples=num_samples, seconds=seconds)
        self._pace.num_bytes += report.num_bytes
        self._reporter.row(
            step=self._progress.step,
            time=time.time(),
            bpc=bpc,
            replay_bpc=math.nan if report.replay_loss is None else report.replay_loss / math.log(2),
            grad_norm=report.grad_norm,
            learning_rate=report.learning_rate,
            step_seconds=seconds,
        )
        shown = self._recent.follow(report, metrics)
        self._progress.recent_bpc = shown.get("recent_bpc", self._progress.recent_bpc)
        self._pace.report(self._reporter, self._progress.step, shown)
        self._life.alive()
