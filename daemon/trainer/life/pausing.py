"""Pauses: ordered by a person, forced by a problem, or because nothing can be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from daemon.trainer.checkpoints.saving import Saver
    from daemon.trainer.ports import Life


class Pauses:
    """Pauses and resumes the run.

    Nothing committed for three intervals, it stands still until something is, or a person lets it continue.
    """

    def __init__(self, saver: Saver, life: Life) -> None:
        self._saver = saver
        self._life = life
        self._waits_for_room = False

    def pause(self, reason: str) -> bool:
        """Pause for a person: save, then stand still; False if the run is paused by a person already.

        Raises:
            CheckpointError: it could not be saved; the run continues.
        """
        if self._life.state is not RunState.PAUSED:
            self._saver.save("pause")
        elif not self._waits_for_room:
            return False
        self._waits_for_room = False  # there may be room again: it stays
        self._life.enter(RunState.PAUSED, reason)
        return True

    def go_on(self, reason: str) -> None:
        """Resume for a person: allow three more intervals, and retry to save at once."""
        self._waits_for_room = False
        self._saver.be_patient()
        self._life.go_on(reason)

    def stand_still(self, reason: str) -> None:
        """Pause because something is wrong; a save is tried, but its failure must not keep the run going."""
        self._saver.try_save("pause")
        self._life.enter(RunState.PAUSED, reason)

    def wait_for_room(self, reason: str) -> None:
        """Pause until a checkpoint can be saved, or a person resumes the run."""
        self._waits_for_room = True
        self._life.enter(RunState.PAUSED, reason)

    def save_or_pause(self) -> None:
        """Between two steps: save when it is due; stand still when saving has failed for too long."""
        self._saver.tick()
        if self._saver.out_of_patience and self._saver.try_save("auto") is None:
            self.wait_for_room(self._saver.why_nothing_is_saved())

    def over(self) -> bool:
        """While paused: retry a failed save; returns whether that ended a pause in which nothing could be saved."""
        if not self._saver.try_again():
            return False
        over, self._waits_for_room = self._waits_for_room, False
        if over:
            self._life.go_on("checkpoints can be saved again")
        return over
