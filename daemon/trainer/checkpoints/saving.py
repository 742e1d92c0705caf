"""When the run is saved, and what a failing disk does to it.

Saving goes by the clock: it draws nothing and changes nothing that learning sees.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from daemon.checkpoint.checkpoint_writer import CheckpointWriter
from daemon.errors import CheckpointError
from daemon.events import CheckpointFailed, CheckpointPruned, CheckpointSaved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.snapshot import Snapshot
    from daemon.config.tree import CheckpointConfig
    from daemon.events import Event
    from daemon.trainer.checkpoints.tidying import Tidying
    from daemon.trainer.ports import Clock, Life, Report
    from daemon.trainer_protocol import TrainerOrder

INTERVALS_BEFORE_PAUSE = 3


class Contents(Protocol):
    """What is saved."""

    def moment(self) -> tuple[int, int]:
        """What a checkpoint depends on: while it is unchanged, a new checkpoint would be identical."""

    def snapshot(self, reason: str) -> Snapshot:
        """All of it, by reference.

        Raises:
            OSError: the replay memory cannot be written.
        """

    def sync_replay(self) -> None:
        """Sync what the snapshot refers to."""


class LastSave(NamedTuple):
    """What came of the last save of a session.

    Attributes:
        checkpoint: the newest one there is: this one, or the last good one before; None without any.
        error: why the state as it is now could not be saved; None when it was.
    """

    checkpoint: str | None
    error: str | None


class Saver:
    """Saves a run: every so often, on order, at its end; knows the newest checkpoint and a failing disk.

    A save that fails, wherever it was asked for, makes the run degraded and is tried again with back-off.

    Args:
        folder: of the checkpoints.
        order: names run and session.
        config: how often, and what is kept.
        contents: of a checkpoint.
        origin: the checkpoint that the session resumed, wherever it lies; the newest there is until one is saved.
        tidying: comes after pruning.
        troubles: why a part of what is saved cannot be written just now, by cause; None while it can.
        on_commit: called after a save that succeeded.
        clock: of the run.
        life: takes the `degraded` flag, and signs of life while a save is waited for.
        report: takes what came of each save.
    """

    def __init__(
        self,
        folder: Path,
        order: TrainerOrder,
        config: CheckpointConfig,
        contents: Contents,
        *,
        origin: Path | None,
        tidying: Tidying,
        troubles: Mapping[str, Callable[[], str | None]],
        on_commit: Callable[[], None],
        clock: Clock,
        life: Life,
        report: Report,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._config = config
        self._contents = contents
        self._tidying = tidying
        self._troubles = troubles
        self._on_commit = on_commit
        self._clock = clock
        self._life = life
        self._report = report
        self._monotonic = monotonic
        self._newest = "" if origin is None else origin.name
        self._error = ""
        self._pruned = self._committed = False
        self._patient_since = monotonic()
        self._saved: tuple[int, int] | None = None  # moment of the newest checkpoint, if it was committed
        self._began: tuple[int, int] | None = None  # moment of the checkpoint with which the session began
        self._writer = CheckpointWriter(
            folder,
            run_id=order.run_id,
            session=order.session,
            retention=config,
            emit=self._note,
            monotonic=monotonic,
        )

    @property
    def catalogue(self) -> Catalogue:
        """Checkpoints in the folder."""
        return self._writer.catalogue

    def newest(self) -> str:
        """Name of the newest checkpoint: committed in this session, or the one it resumed; empty without any."""
        return self._newest

    def tick(self) -> None:
        """Between two steps: collect what was saved, begin the next save when it is due."""
        self.collect()
        if self._writer.due(self._config.every_seconds) and self._saved != self._contents.moment():
            self._begin("auto")

    def try_again(self) -> bool:
        """While the run stands still: begin a save that failed again when it is due; False while it fails."""
        self.collect()
        if not self._writer.num_failures:
            return True
        if self._writer.due(self._config.every_seconds):
            self._begin("pause")
        return False

    @property
    def out_of_patience(self) -> bool:
        """Saving fails, and three intervals are over since the last commit and since a person resumed the run."""
        since = min(self._writer.seconds_since_commit, self._monotonic() - self._patient_since)
        return bool(self._writer.num_failures) and since > INTERVALS_BEFORE_PAUSE * self._config.every_seconds

    def why_nothing_is_saved(self) -> str:
        """How long nothing could be saved, and why."""
        return f"nothing could be saved for {self._writer.seconds_since_commit:.0f} s: {self._error}"

    def be_patient(self) -> None:
        """Allow three more intervals, and retry at once."""
        self._patient_since = self._monotonic()
        self._writer.retry_now()

    def collect(self) -> None:
        """Events of a save that has ended, and the `degraded` flag that follows from it."""
        self._writer.poll()
        failing = f"checkpoints cannot be saved ({self._error})" if self._writer.num_failures else None
        self._life.set_degraded("checkpoint", failing)
        for cause, reason in self._troubles.items():
            self._life.set_degraded(cause, reason())
        if self._committed:
            self._committed = False
            self._on_commit()
        if self._pruned:
            self._pruned = not self._tidying.tidy(self._writer.catalogue)

    def save(self, reason: str) -> str:
        """Save now and wait for it; its name.

        Raises:
            CheckpointError: it could not be committed; learning can continue.
        """
        outcome: CheckpointSaved | CheckpointFailed
        try:
            snapshot = self._contents.snapshot(reason)
        except OSError as error:  # replay cannot be written: nothing can be saved without it
            outcome = self._writer.give_up(self._clock.step, reason, error)
        else:
            self._saved = self._contents.moment()
            outcome = self._writer.save_now(
                snapshot, sync_replay=self._contents.sync_replay, while_waiting=self._life.alive
            )
        self.collect()
        if isinstance(outcome, CheckpointFailed):
            raise self._failed(outcome.error)
        return outcome.checkpoint

    def try_save(self, reason: str) -> str | None:
        """Save now and wait for it; None when that failed: the run is degraded, and it is tried again."""
        try:
            return self.save(reason)
        except CheckpointError:
            return None

    def save_first(self) -> None:
        """Save at the start of a run, so that it always has a checkpoint of its own to resume."""
        if self.try_save("first") is not None:
            self._began = self._contents.moment()

    def save_final(self) -> LastSave:
        """The last checkpoint of a session; where it cannot be saved, the last good one stays.

        Where nothing was learned since the first one, that is the last one, too.
        """
        if self._began == self._contents.moment():
            return LastSave(self._newest, None)
        try:
            return LastSave(self.save("final"), None)
        except CheckpointError as error:
            return LastSave(self._newest or None, str(error))

    def close(self) -> None:
        """No further save: wait for the one in flight."""
        self._writer.close()

    def pin(self, checkpoint: str) -> None:
        """Keep a checkpoint permanently, until a person unpins it.

        Raises:
            CheckpointError: it could not be pinned.
        """
        try:
            self._writer.catalogue.pin(checkpoint)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error

    def _note(self, event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            self._newest, self._committed = event.checkpoint, True
            self._report.point("checkpoint_stall_seconds", self._clock.step, event.stall_seconds)
        elif isinstance(event, CheckpointFailed):
            self._saved, self._error = None, event.error
        self._pruned |= isinstance(event, CheckpointPruned)
        self._report.event(event)

    def _begin(self, reason: str) -> None:
        try:
            snapshot = self._contents.snapshot(reason)
        except OSError as error:
            self._writer.give_up(self._clock.step, reason, error)
        else:
            self._saved = self._contents.moment()
            self._writer.begin(snapshot, sync_replay=self._contents.sync_replay)

    def _failed(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"The checkpoint could not be saved ({why}). Free space or check {self._folder}, then try again"
        )
