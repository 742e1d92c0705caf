"""How a run ends: at a limit, by an order or a signal, always with a last save and a goodbye."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.events import LimitReached
from daemon.trainer_protocol import Goodbye, RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.trainer.checkpoints.saving import LastSave, Saver
    from daemon.trainer.life.pausing import Pauses
    from daemon.trainer.ports import Life, Report
    from daemon.trainer.state.progress import Limits, Progress

SAVE_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why the loop ends, and what came of its last save where that was tried already."""

    state: RunState
    reason: str
    saved: LastSave | None = None


class Endings:
    """Ends the run.

    Args:
        limits: where it ends by itself.
        loss_reached: the loss at which it ends, in words, once that is reached.
        progress: how far it has come.
        passes_finished: over every source.
        saver: of its checkpoints.
        pauses: where it stands still as long as its last checkpoint cannot be saved.
        life: its state.
        report: takes the limit that was reached.
    """

    def __init__(
        self,
        limits: Limits,
        loss_reached: Callable[[], str | None],
        progress: Progress,
        passes_finished: Callable[[], int],
        *,
        saver: Saver,
        pauses: Pauses,
        life: Life,
        report: Report,
    ) -> None:
        self._limits = limits
        self._loss_reached = loss_reached
        self._progress = progress
        self._passes_finished = passes_finished
        self._saver = saver
        self._pauses = pauses
        self._life = life
        self._report = report
        self._limit_reported = False

    def at_limit(self) -> Ending | None:
        """The ending at a limit, once it is saved; until it can be, the run stands still."""
        reached = self._loss_reached() or self._limits.reached(self._progress, self._passes_finished())
        if reached is None:
            return None
        reason = f"limit reached: {reached}"
        if not self._limit_reported:
            self._limit_reported = True
            self._report.event(LimitReached(step=self._progress.step, limit=reached))
        last = self._saver.save_final()
        if last.error is None:
            return Ending(state=RunState.FINISHED, reason=reason, saved=last)
        self._pauses.wait_for_room(f"{reason}, but not saved: {last.error}")
        return None

    def save_last(self, *, within_seconds: float) -> LastSave:
        """Save for the last time, again and again while there is time."""
        deadline = time.monotonic() + within_seconds
        while True:
            last = self._saver.save_final()
            if last.error is None or time.monotonic() + SAVE_AGAIN_SECONDS > deadline:
                return last
            self._life.alive()
            time.sleep(SAVE_AGAIN_SECONDS)

    def close(self, ending: Ending) -> Goodbye:
        """Save for the last time and say goodbye."""
        if self._life.state is not RunState.STOPPING:
            self._life.enter(RunState.STOPPING, ending.reason)
        checkpoint, error = ending.saved or self._saver.save_final()
        self._saver.close()
        self._life.enter(ending.state, ending.reason)
        return Goodbye(
            state=ending.state.value,
            step=self._progress.step,
            samples=self._progress.samples,
            training_seconds=self._progress.training_seconds,
            checkpoint=checkpoint,
            error=error,
        )
