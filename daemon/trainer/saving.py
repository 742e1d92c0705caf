"""When the loop saves, what goes into a checkpoint, and what a failing disk does to the run.

Saving goes by the clock: it draws nothing and changes nothing that learning sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.memory import ReplayCommit
from brain.ports import Growable
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.reader import load
from daemon.checkpoint.snapshot import Snapshot, current_environment
from daemon.checkpoint.writer import CheckpointWriter
from daemon.errors import CheckpointError
from daemon.events import CheckpointFailed, CheckpointPruned, CheckpointSaved, Event
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
    from pathlib import Path

    from daemon.config import CheckpointConfig
    from daemon.protocol import TrainerOrder
    from daemon.trainer.loop import Loop
    from daemon.trainer.reporting import Reporter

INTERVALS_BEFORE_PAUSE = 3


class Saver:
    """Saves a loop: every so often, on order, at its end; knows the newest checkpoint and a failing disk."""

    def __init__(
        self, folder: Path, order: TrainerOrder, config: CheckpointConfig, reporter: Reporter
    ) -> None:
        self._folder = folder
        self._order = order
        self._config = config
        self._reporter = reporter
        self._newest = ""
        self._step = 0
        self._pruned = False
        self._saved: tuple[int, int] | None = None  # moment of the newest checkpoint, if it was committed
        self._writer = CheckpointWriter(
            folder, run_id=order.run_id, session=order.session, retention=config, emit=self._note
        )

    def newest(self) -> str:
        """Name of the newest checkpoint: committed in this session, or the one it resumed."""
        return self._newest

    def remember(self, checkpoint: str) -> None:
        """This one is the newest now."""
        self._newest = checkpoint

    def tick(self, loop: Loop) -> None:
        """Between two steps: collect what was saved, begin the next save when it is due."""
        self.collect(loop)
        if self._writer.due(self._config.every_seconds) and self._saved != _moment(loop):
            self._begin(loop)
        if self._writer.num_failures and self._writer.seconds_since_commit > self._pause_seconds:
            loop.stand_still(f"nothing could be saved for {self._writer.seconds_since_commit:.0f} s")

    def collect(self, loop: Loop) -> None:
        """Events of a save that has ended, and the `degraded` flag that follows from it."""
        self._step = loop.step
        self._writer.poll()
        loop.set_degraded("checkpoint", "checkpoints cannot be saved" if self._writer.num_failures else None)
        loop.set_degraded("replay", loop.parts.replay.degraded)
        if self._pruned:
            self._pruned = False
            self._drop_unneeded(loop)

    def save(self, loop: Loop, reason: str) -> str:
        """Save now and wait for it; its name.

        Raises:
            CheckpointError: it could not be committed; learning can go on.
        """
        self._step = loop.step
        try:
            snapshot = self._snapshot(loop, reason)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        outcome = self._writer.save_now(
            snapshot, sync_replay=loop.parts.replay.sync, while_waiting=loop.alive
        )
        self.collect(loop)
        if isinstance(outcome, CheckpointFailed):
            raise self._failed(outcome.error)
        return outcome.checkpoint

    def save_final(self, loop: Loop) -> tuple[str | None, str | None]:
        """The last checkpoint of a session and, if it could not be saved, why; the last good one stays."""
        try:
            return self.save(loop, "final"), None
        except CheckpointError as error:
            return self._newest or None, str(error)
        finally:
            self._writer.close()

    def pin(self, checkpoint: str) -> None:
        """Keep a checkpoint for good, until a person unpins it.

        Raises:
            CheckpointError: it could not be pinned.
        """
        try:
            Catalogue(self._folder).pin(checkpoint)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error

    def restore_brain(self, loop: Loop, checkpoint: str) -> int:
        """Give the brain back the weights, moments and carried state of a checkpoint; its step."""
        loaded, brain = load(self._folder / checkpoint), loop.parts.brain
        if isinstance(brain, Growable) and dict(loaded.manifest.spec) != dict(brain.state().spec):
            brain.rebuild(loaded.manifest.spec)  # it has grown since
        brain.load(brain_state(loaded))
        loop.parts.growing.went_back(loop, loaded.state)
        return loaded.manifest.step

    @property
    def _pause_seconds(self) -> float:
        return INTERVALS_BEFORE_PAUSE * self._config.every_seconds

    def _note(self, event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            self._newest = event.checkpoint
            self._reporter.point("checkpoint_stall_seconds", self._step, event.stall_seconds)
        elif isinstance(event, CheckpointFailed):
            self._saved = None
        self._pruned |= isinstance(event, CheckpointPruned)
        self._reporter.event(event)

    def _begin(self, loop: Loop) -> None:
        try:
            snapshot = self._snapshot(loop, "auto")
        except OSError:
            return  # the replay memory itself says so (`degraded`), and the next tick tries again
        self._writer.begin(snapshot, sync_replay=loop.parts.replay.sync)

    def _failed(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"The checkpoint could not be saved ({why}). Free space or check {self._folder}, then try again"
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
            replay=replay.to_json(),
            journal=parts.journal.last_sequence,
            metrics={} if parts.state.smooth_bpc is None else {"bpc": parts.state.smooth_bpc},
            environment=current_environment(str(parts.device)),
        )

    def _drop_unneeded(self, loop: Loop) -> None:
        """Journal entries and replay segments that no kept checkpoint needs any more."""
        infos = Catalogue(self._folder).list()
        own = [info.manifest.step for info in infos if info.manifest.run_id == self._order.run_id]
        if own:
            loop.parts.journal.drop_before(min(own))
        commits = [ReplayCommit.from_json(info.manifest.replay) for info in infos if info.manifest.replay]
        for path in loop.parts.replay.unreferenced(commits):
            path.unlink(missing_ok=True)


def _moment(loop: Loop) -> tuple[int, int]:
    """What a checkpoint follows from: while nothing is learned and nobody intervenes it would be the same again."""
    return loop.parts.state.step, loop.parts.state.journal_sequence
