"""What the parts of a trainer may ask of one another; each is handed those few that it needs. See docs/adr/0009."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from daemon.events import Event
    from daemon.trainer_protocol import RunState


class Clock(Protocol):
    """How far the run has come, read only."""

    @property
    def step(self) -> int:
        """Finished steps."""

    @property
    def training_seconds(self) -> float:
        """Time spent learning, in all sessions."""

    @property
    def session_seconds(self) -> float:
        """Time spent learning in this session."""


class Report(Protocol):
    """Facts and numbers, for whoever watches the run."""

    def event(self, event: Event) -> None:
        """A fact, never dropped."""

    def point(self, metric: str, step: int, value: float) -> None:
        """One value of a sparse metric."""


class Save(Protocol):
    """Checkpoints, between two steps."""

    def newest(self) -> str:
        """Name of the newest checkpoint; empty without any."""

    def save(self, reason: str) -> str:
        """Save now and wait for it; its name.

        Raises:
            CheckpointError: it could not be committed; learning can continue.
        """

    def try_save(self, reason: str) -> str | None:
        """Save now and wait for it; None when that failed: the run is degraded, and it is tried again."""

    def pin(self, checkpoint: str) -> None:
        """Keep a checkpoint permanently, until a person unpins it.

        Raises:
            CheckpointError: it could not be pinned.
        """


class Life(Protocol):
    """The state of the run, and its signs of life."""

    @property
    def state(self) -> RunState:
        """What the run is now."""

    def enter(self, state: RunState, reason: str = "") -> None:
        """Change the run's state, as an event."""

    def go_on(self, reason: str = "") -> None:
        """Enter the state of a run that is not paused: running, asleep or waiting."""

    def when_not_paused(self) -> RunState:
        """That state."""

    def set_degraded(self, cause: str, reason: str | None) -> None:
        """Raise or clear one cause of the `degraded` flag, as an event when that changes anything."""

    def alive(self) -> None:
        """Show a sign of life, with the totals."""

    def progressed(self) -> None:
        """Show a sign of life in the middle of long work.

        Raises:
            Interrupted: the run is to end; the work ends here.
        """


class StandStill(Protocol):
    """A pause that nobody ordered."""

    def stand_still(self, reason: str) -> None:
        """Pause because something is wrong; a save is tried, but its failure must not keep the run going."""


class News(Protocol):
    """Whatever the run may be waiting for."""

    def wait_for_news(self, timeout_seconds: float) -> None:
        """Return when a command comes, the supervisor goes, or the time is over."""
