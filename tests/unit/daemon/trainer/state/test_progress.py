"""Totals and limits: counted from where a session stands, kept across a restart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from daemon.config.tree import LimitsConfig
from daemon.trainer.state.progress import METRICS_HISTORY_STEPS, Limits, Progress

if TYPE_CHECKING:
    from daemon.events import Event


def test_a_step_without_text_leaves_the_smooth_loss() -> None:
    progress = Progress()
    progress.count(2.0, num_samples=3, seconds=0.5)
    progress.count(math.nan, num_samples=0, seconds=0.25)
    assert (progress.step, progress.samples, progress.smooth_bpc) == (2, 3, 2.0)
    assert (progress.training_seconds, progress.session_seconds) == (0.75, 0.75)


def test_what_is_of_one_session_is_not_kept() -> None:
    progress = Progress()
    for _ in range(METRICS_HISTORY_STEPS):
        progress.count(2.0, num_samples=1, seconds=1.0)
    kept = progress.state()
    assert sorted(kept) == ["metrics_history", "samples", "smooth_bpc", "step", "training_seconds"]
    again = Progress.restored({**kept, "cursor": {}, "session_seconds": 9.0})
    assert again.state() == kept
    assert again.session_seconds == 0.0


def test_limits_count_from_here() -> None:
    progress = Progress(step=100, training_seconds=60.0)
    limits = Limits.from_here(LimitsConfig(steps=1000, hours=1.0), progress)
    assert (limits.target_step, limits.target_seconds) == (1100, 3660.0)
    assert limits.reached(progress, 0) is None
    assert limits.reached(Progress(step=1100), 0) == "1,100 steps"
    assert limits.reached(Progress(training_seconds=3660.0), 0) == "1.01667 hours of learning"
    assert Limits(target_epochs=2).reached(progress, 2) == "2 epochs"


def test_limits_that_were_reached_are_dropped_and_reported() -> None:
    events: list[Event] = []
    limits = Limits(target_step=5, target_seconds=50.0, target_epochs=1)
    limits.drop_reached(Progress(step=5, training_seconds=49.0), events.append)
    assert limits == Limits(target_seconds=50.0, target_epochs=1)
    assert [event.message for event in events] == [
        "the limit of steps was reached before; learning continues without it"
    ]
