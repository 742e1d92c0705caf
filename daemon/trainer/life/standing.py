"""Where the run stands: its state, the `degraded` flag beside it, and its signs of life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.events import DegradedChanged, StateChanged
from daemon.interrupting import Interrupted
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.trainer.link.pace import Pace
    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.link.reporting import Reporter
    from daemon.trainer.state.progress import Progress


MAKES_STEPS = frozenset({RunState.RUNNING, RunState.SLEEPING})


class Standing:
    """The run's state, as it is reported.

    Args:
        progress: the totals that each sign of life carries.
        reporter: takes events and signs of life.
        pipe: knows whether the run is to end.
        pace: is counted again in every state.
        when_not_paused: running, asleep or waiting.
    """

    def __init__(
        self,
        progress: Progress,
        reporter: Reporter,
        pipe: Pipe,
        pace: Pace,
        when_not_paused: Callable[[], RunState],
    ) -> None:
        self.state = RunState.STARTING
        self._progress = progress
        self._reporter = reporter
        self._pipe = pipe
        self._pace = pace
        self.when_not_paused = when_not_paused

    def enter(self, state: RunState, reason: str = "") -> None:
        """Change the run's state, as an event."""
        before, self.state = self.state, state
        step = self._progress.step
        self._pace.change(self._reporter, step, steps_follow=state in MAKES_STEPS)
        self._reporter.event(StateChanged(step=step, before=before.value, after=state.value, reason=reason))
        self.alive()

    def go_on(self, reason: str = "") -> None:
        """Enter the state of a run that is not paused."""
        self.enter(self.when_not_paused(), reason)

    def set_degraded(self, cause: str, reason: str | None) -> None:
        """Raise or clear one cause of the `degraded` flag, as an event when that changes anything."""
        if self._reporter.set_degraded(cause, reason):
            self._reporter.event(
                DegradedChanged(step=self._progress.step, degraded=reason is not None, reason=reason or cause)
            )

    def alive(self) -> None:
        """Show a sign of life, with the totals."""
        totals = self._progress
        self._reporter.alive(
            self.state, step=totals.step, samples=totals.samples, training_seconds=totals.training_seconds
        )

    def progressed(self) -> None:
        """Show a sign of life in the middle of long work, which ends here when the run is to end.

        Raises:
            Interrupted: it is.
        """
        self.alive()
        if self._pipe.ending:
            raise Interrupted
