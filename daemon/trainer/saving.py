"""When the loop saves, what goes into a checkpoint, and what a failing disk does to the run.

Saving goes by the clock: it draws nothing and changes nothing that learning sees.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from brain.memory.commit import ReplayCommit
from brain.ports import Growable
from daemon.checkpoint.damage import set_aside
from daemon.checkpoint.manifest import DefectError
from daemon.checkpoint.portable import load_pt
from daemon.checkpoint.reader import LoadedCheckpoint, load
from daemon.checkpoint.resolve import PORTABLE
from daemon.checkpoint.snapshot import Snapshot, current_environment
from daemon.checkpoint.writer import CheckpointWriter
from daemon.errors import CheckpointError, NoCheckpointError
from daemon.events import CheckpointFailed, CheckpointPruned, CheckpointSaved, Event, SettingRestored
from daemon.protocol import RunState
from daemon.system.retry import Retry
from daemon.trainer.restoring import (
    HELD_OUT_PREFIX,
    PROBES_PREFIX,
    SLEEP_PREFIX,
    SLOTS_PREFIX,
    VITALS_PREFIX,
    brain_state,
    random_states,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.config.tree import CheckpointConfig
    from daemon.protocol import TrainerOrder
    from daemon.trainer.loop import Loop
    from daemon.trainer.reporting import Reporter

logger = logging.getLogger(__name__)

INTERVALS_BEFORE_PAUSE = 3


class LastSave(NamedTuple):
    """What came of the last save of a session.

    Attributes:
        checkpoint: the newest one there is: this one, or the last good one before; None without any.
        error: why the state as it is now could not be saved; None when it was.
    """

    checkpoint: str | None
    error: str | None


class Saver:
    """Saves a loop: every so often, on order, at its end; knows the newest checkpoint and a failing disk.

    A save that fails, wherever it was asked for, makes the run degraded and is tried again with back-off. Nothing
    committed for three intervals, the run stands still until something is, or a person lets it go on.
    """

    def __init__(
        self,
        folder: Path,
        order: TrainerOrder,
        config: CheckpointConfig,
        reporter: Reporter,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._order = order
        self._config = config
        self._reporter = reporter
        self._monotonic = monotonic
        self._newest = ""
        self._origin: Path | None = None
        self._step = 0
        self._error = ""
        self._pruned = self._committed = False
        self._dropping = Retry(monotonic=monotonic)
        self._patient_since = monotonic()
        self._stands_for_disk = False
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

    def newest(self) -> str:
        """Name of the newest checkpoint: committed in this session, or the one it resumed; empty without any."""
        return self._newest

    def resumed(self, checkpoint: Path) -> None:
        """The session goes on from this one, wherever it lies: the newest there is until it saves its own."""
        self._origin, self._newest = checkpoint, checkpoint.name

    def tick(self, loop: Loop) -> None:
        """Between two steps: collect what was saved, begin the next save when it is due."""
        self.collect(loop)
        if self._writer.due(self._config.every_seconds) and self._saved != _moment(loop):
            self._begin(loop, "auto")
        if self._out_of_patience and self.try_save(loop, "auto") is None:
            seconds = self._writer.seconds_since_commit
            self.stand_still(loop, f"nothing could be saved for {seconds:.0f} s: {self._error}")

    def stand_still(self, loop: Loop, reason: str) -> None:
        """Pause the run until something can be saved, or a person lets it go on."""
        self._stands_for_disk = True
        loop.enter(RunState.PAUSED, reason)

    def tick_paused(self, loop: Loop) -> bool:
        """While the run stands still: a save that failed is tried again; whether a pause for want of room is over."""
        self.collect(loop)
        if self._writer.num_failures:
            if self._writer.due(self._config.every_seconds):
                self._begin(loop, "pause")
            return False
        over, self._stands_for_disk = self._stands_for_disk, False
        if over:
            loop.enter(loop.state_of_going_on(), "checkpoints can be saved again")
        return over

    def stay(self) -> bool:
        """A person wants the pause, too: it no longer ends when there is room; False where they had it already."""
        stood, self._stands_for_disk = self._stands_for_disk, False
        return stood

    def continued(self) -> None:
        """A person lets the run go on: it has three intervals again, and the next try comes at once."""
        self._stands_for_disk = False
        self._patient_since = self._monotonic()
        self._writer.retry_now()

    def collect(self, loop: Loop) -> None:
        """Events of a save that has ended, and the `degraded` flag that follows from it."""
        self._step = loop.step
        self._writer.poll()
        failing = f"checkpoints cannot be saved ({self._error})" if self._writer.num_failures else None
        loop.set_degraded("checkpoint", failing)
        loop.set_degraded("replay", loop.parts.replay.degraded)
        loop.set_degraded("cache", loop.parts.stream.degraded)
        if self._committed:
            self._committed = False
            loop.journal.disk_is_back()
        if self._pruned and self._dropping.due:
            self._drop_unneeded(loop)

    def save(self, loop: Loop, reason: str) -> str:
        """Save now and wait for it; its name.

        Raises:
            CheckpointError: it could not be committed; learning can go on.
        """
        self._step = loop.step
        outcome: CheckpointSaved | CheckpointFailed
        try:
            snapshot = self._snapshot(loop, reason)
        except OSError as error:
            outcome = self._writer.give_up(loop.step, reason, error)
        else:
            outcome = self._writer.save_now(
                snapshot, sync_replay=loop.parts.replay.sync, while_waiting=loop.alive
            )
        self.collect(loop)
        if isinstance(outcome, CheckpointFailed):
            raise self._failed(outcome.error)
        return outcome.checkpoint

    def try_save(self, loop: Loop, reason: str) -> str | None:
        """Save now and wait for it; None when that failed: the run is degraded, and it is tried again."""
        try:
            return self.save(loop, reason)
        except CheckpointError:
            return None

    def save_first(self, loop: Loop) -> None:
        """So that there is always one to resume, whatever becomes of the session's origin."""
        if self.try_save(loop, "first") is not None:
            self._began = _moment(loop)

    def save_final(self, loop: Loop) -> LastSave:
        """The last checkpoint of a session; where it cannot be saved, the last good one stays.

        Where nothing was learned since the first one, that is the last one, too.
        """
        if self._began == _moment(loop):
            return LastSave(self._newest, None)
        try:
            return LastSave(self.save(loop, "final"), None)
        except CheckpointError as error:
            return LastSave(self._newest or None, str(error))

    def close(self) -> None:
        """No further save: wait for the one in flight."""
        self._writer.close()

    def pin(self, checkpoint: str) -> None:
        """Keep a checkpoint for good, until a person unpins it.

        Raises:
            CheckpointError: it could not be pinned.
        """
        try:
            self._writer.catalogue.pin(checkpoint)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error

    def restore_brain(self, loop: Loop, checkpoint: str) -> int:
        """Give the brain back the weights, moments and carried state of a checkpoint; its step.

        Where that one is gone or damaged it is the newest sound one of the run that is not from a later step.

        Raises:
            NoCheckpointError: there is none.
        """
        loaded = self._way_back(loop.step, checkpoint)
        if loaded.path.name != checkpoint:
            what = (
                f"{checkpoint}, which the roll-back was to go back to, is not sound: it is {loaded.path.name}"
            )
            self._reporter.event(SettingRestored(step=loop.step, what=what))
        brain = loop.parts.brain
        if isinstance(brain, Growable) and dict(loaded.manifest.spec) != dict(brain.state().spec):
            brain.rebuild(loaded.manifest.spec)  # it has grown since
        brain.load(brain.adopt(brain_state(loaded))[0])
        loop.parts.growing.went_back(loop, loaded.state)
        return loaded.manifest.step

    @property
    def _out_of_patience(self) -> bool:
        """Saving fails, and nothing was committed for three intervals, nor did a person let the run go on."""
        since = min(self._writer.seconds_since_commit, self._monotonic() - self._patient_since)
        return bool(self._writer.num_failures) and since > INTERVALS_BEFORE_PAUSE * self._config.every_seconds

    def _note(self, event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            self._newest, self._committed = event.checkpoint, True
            self._reporter.point("checkpoint_stall_seconds", self._step, event.stall_seconds)
        elif isinstance(event, CheckpointFailed):
            self._saved, self._error = None, event.error
        self._pruned |= isinstance(event, CheckpointPruned)
        self._reporter.event(event)

    def _begin(self, loop: Loop, reason: str) -> None:
        try:
            snapshot = self._snapshot(loop, reason)
        except OSError as error:  # replay cannot be written: nothing can be saved without it
            self._writer.give_up(loop.step, reason, error)
        else:
            self._writer.begin(snapshot, sync_replay=loop.parts.replay.sync)

    def _failed(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"The checkpoint could not be saved ({why}). Free space or check {self._folder}, then try again"
        )

    def _way_back(self, step: int, checkpoint: str) -> LoadedCheckpoint:
        """The checkpoint of that name or, where it is not sound, the newest of the run that is."""
        catalogue = self._writer.catalogue
        origin = {} if self._origin is None else {self._origin.name: self._origin}
        first = origin.get(checkpoint, self._folder / checkpoint)
        own = [info.path for info in catalogue.list(self._order.run_id) if info.manifest.step <= step]
        for path in dict.fromkeys((first, *own, *origin.values())):
            try:
                return load_pt(path) if path.suffix == PORTABLE else load(path)
            except DefectError as defect:
                if path.parent == self._folder and path.exists():
                    with suppress(OSError):  # it stays in its place then, and is passed over again
                        set_aside(catalogue, defect, self._reporter.event)
            except CheckpointError as error:
                logger.warning("a roll-back passed over %s: %s", path, error)
        raise NoCheckpointError(
            f"no checkpoint of this run in {self._folder} is sound. Resume one of another run: synapsed checkpoints"
        )

    def _snapshot(self, loop: Loop, reason: str) -> Snapshot:
        parts, brain = loop.parts, loop.parts.brain.state()
        replay = parts.replay.commit(sync=False)
        self._saved = _moment(loop)
        vitals = {f"{VITALS_PREFIX}{name}": tensor for name, tensor in parts.watch.state_tensors().items()}
        slots = {f"{SLOTS_PREFIX}{name}": column for name, column in parts.replay.slots().items()}
        held_out = {
            f"{HELD_OUT_PREFIX}{name}": table for name, table in parts.evaluation.state_arrays().items()
        }
        probes = {f"{PROBES_PREFIX}{name}": array for name, array in parts.probes.arrays().items()}
        asleep = {f"{SLEEP_PREFIX}{name}": t for name, t in parts.sleeping.state_tensors().items()}
        return Snapshot(
            step=parts.state.step,
            samples=parts.state.samples,
            reason=reason,
            model=brain.model,
            learning={**brain.learning, **vitals, **asleep},
            random=random_states(parts.device),
            arrays={**slots, **held_out, **probes},
            state={
                "loop": {
                    **vars(parts.state),
                    "cursor": loop.cursor_record(),
                    "governor": parts.watch.governor_state(),
                    "probes": parts.probes.state(),
                    "alarms": parts.watch.alarms.state(),
                },
                "brain": dict(brain.counters),
                "config": self._order.config,
                "growth_history": parts.state.growth_history,
            },
            spec=brain.spec,
            tied=brain.tied,
            base=brain.base,
            replay=replay.to_json(),
            journal=parts.journal.last_sequence,
            metrics={} if parts.state.smooth_bpc is None else {"bpc": parts.state.smooth_bpc},
            environment=current_environment(str(parts.device)),
        )

    def _drop_unneeded(self, loop: Loop) -> None:
        """Journal entries and replay segments that no kept checkpoint needs any more; what cannot go, goes later."""
        try:
            infos = self._writer.catalogue.list()
            own = [info.manifest.step for info in infos if info.manifest.run_id == self._order.run_id]
            if own:
                loop.parts.journal.drop_before(min(own))
            commits = [ReplayCommit.from_json(info.manifest.replay) for info in infos if info.manifest.replay]
            for path in loop.parts.replay.unreferenced(commits):
                _delete(path)
        except (OSError, CheckpointError) as error:
            logger.warning("what no checkpoint needs could not be deleted: %s", error)
            self._dropping.failed()
        else:
            self._pruned = False
            self._dropping.succeeded()


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:  # Windows: a fork maps it still; it comes up again with the next pruning
        logger.warning("%s could not be deleted: %s", path, error)


def _moment(loop: Loop) -> tuple[int, int]:
    """What a checkpoint follows from: while nothing is learned and nobody intervenes it would be the same again."""
    return loop.parts.state.step, loop.parts.state.journal_sequence
