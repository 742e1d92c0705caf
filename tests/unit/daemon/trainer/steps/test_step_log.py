"""A finished step: what of it is kept for the next checkpoint."""

from __future__ import annotations

import pytest

from daemon.trainer.link.pace import Pace
from daemon.trainer.state.progress import Progress
from daemon.trainer.steps.step_log import StepLog
from tests.unit.daemon.trainer.steps.test_recent_loss import step


class Shown:
    """A reporter and a sign of life."""

    def __init__(self) -> None:
        self.points: dict[str, float] = {}

    def point(self, name: str, step: int, value: float) -> None:
        self.points[name] = value

    def row(self, **_: float) -> None:
        pass

    def alive(self) -> None:
        pass


def test_a_checkpoint_keeps_the_mean_loss_that_was_reported() -> None:
    progress, shown = Progress(), Shown()
    pace = Pace(0, monotonic=iter(range(100)).__next__)
    log = StepLog(progress, pace, shown, shown)  # type: ignore[arg-type]
    assert progress.recent_bpc is None
    for bpc in (8.0, 2.0, 2.0):
        log.finish(step(bpc, 100), num_samples=1, seconds=0.1)
        assert progress.recent_bpc == shown.points["recent_bpc"]
    assert progress.recent_bpc == pytest.approx(4.0)
    assert progress.smooth_bpc == pytest.approx(7.88, abs=0.01)
    log.finish(step(float("nan"), 0), num_samples=0, seconds=0.1)
    assert progress.recent_bpc == pytest.approx(4.0)
