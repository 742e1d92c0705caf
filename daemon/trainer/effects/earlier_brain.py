"""Restoring the brain from a checkpoint in the middle of a run, while the stream continues."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from brain.capabilities import Growable
from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint, load
from daemon.checkpoint.damage import set_aside
from daemon.checkpoint.manifest import DefectError
from daemon.checkpoint.portable import load_pt
from daemon.checkpoint.resolve import PORTABLE
from daemon.errors import CheckpointError, NoCheckpointError
from daemon.events import SettingRestored
from daemon.trainer.checkpoints.restoring import brain_state
from daemon.trainer.erasing.from_checkpoint import without_erased

if TYPE_CHECKING:
    from pathlib import Path

    from brain.ports import Brain
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.trainer.growth.neurogenesis import Growing
    from daemon.trainer.ports import Clock, Report

logger = logging.getLogger(__name__)


class EarlierBrain:
    """Restores the brain.

    Args:
        run_id: of the run.
        catalogue: of its checkpoints.
        origin: the checkpoint that the session resumed, wherever it lies.
        replay: the home's folder of replay, where it stands what was forgotten since.
        brain: that goes back.
        growing: forgets what grew since.
        clock: of the run.
        report: takes what was not as asked for.
    """

    def __init__(
        self,
        run_id: str,
        catalogue: Catalogue,
        origin: Path | None,
        *,
        replay: Path,
        brain: Brain,
        growing: Growing,
        clock: Clock,
        report: Report,
    ) -> None:
        self._run_id = run_id
        self._catalogue = catalogue
        self._origin = {} if origin is None else {origin.name: origin}
        self._replay = replay
        self._brain = brain
        self._growing = growing
        self._clock = clock
        self._report = report

    def restore(self, checkpoint: str) -> int:
        """Restore the weights, moments and carried state of a checkpoint; returns its step.

        Where that one is gone or damaged it is the newest sound one of the run that is not from a later step.

        Raises:
            NoCheckpointError: there is none.
        """
        loaded = self._sound(checkpoint)
        if loaded.path.name != checkpoint:
            what = (
                f"{checkpoint}, which the roll-back was to go back to, is not sound: it is {loaded.path.name}"
            )
            self._report.event(SettingRestored(step=self._clock.step, what=what))
        brain = self._brain
        if isinstance(brain, Growable) and dict(loaded.manifest.spec) != dict(self._brain.state().spec):
            brain.rebuild(loaded.manifest.spec)  # it has grown since
        self._brain.load(self._brain.adopt(brain_state(loaded))[0])
        self._growing.rolled_back(loaded.state)
        return loaded.manifest.step

    def _sound(self, checkpoint: str) -> LoadedCheckpoint:
        """The checkpoint of that name or, where it is not sound, the newest of the run that is."""
        folder, step = self._catalogue.folder, self._clock.step
        first = self._origin.get(checkpoint, folder / checkpoint)
        own = [info.path for info in self._catalogue.list(self._run_id) if info.manifest.step <= step]
        for path in dict.fromkeys((first, *own, *self._origin.values())):
            try:
                loaded = load_pt(path) if path.suffix == PORTABLE else load(path)
                return without_erased(loaded, self._replay)
            except DefectError as defect:
                if path.parent == folder and path.exists():
                    with suppress(OSError):  # it stays in its place then, and is passed over again
                        set_aside(self._catalogue, defect, self._report.event)
            except CheckpointError as error:
                logger.warning("a roll-back passed over %s: %s", path, error)
        raise NoCheckpointError(
            f"no checkpoint of this run in {folder} is sound. Resume one of another run: synapsed checkpoints"
        )
