"""How outside influences on learning take effect: journaled first, applied at their step, and again after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.growth.plan import GrowthPlan
from daemon.errors import CheckpointError
from daemon.events import ExperiencePushed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.erasing_receipts import Receipt
    from daemon.journal import Entry, Journal
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.checkpoints.failing_disk import PatientJournal
    from daemon.trainer.effects.recovery import RollBack
    from daemon.trainer.erasing.from_run import Erasing
    from daemon.trainer.growth.neurogenesis import Growing
    from daemon.trainer.ports import Clock, Report, Save
    from daemon.trainer.sleep.sleeping import Sleeping
    from daemon.trainer.state.journal_position import JournalPosition


class Effects:
    """Journals entries and applies them.

    Args:
        position: how much of the journal has taken effect.
        journal: refuses what a person orders, with the reason, while it cannot be written.
        patient: the same for what the loop decides by itself, which is put off then.
        stream: takes text.
        sleeping: falls asleep.
        growing: grows.
        roll_back: goes back.
        erasing: of what was read, on purpose.
        save: takes a checkpoint before a growth by hand.
        clock: of the run.
        report: takes what came in.
    """

    def __init__(
        self,
        position: JournalPosition,
        journal: Journal,
        *,
        patient: PatientJournal,
        stream: ExperienceStream,
        sleeping: Sleeping,
        growing: Growing,
        roll_back: RollBack,
        erasing: Erasing,
        save: Save,
        clock: Clock,
        report: Report,
    ) -> None:
        self._position = position
        self._journal = journal
        self._patient = patient
        self._stream = stream
        self._sleeping = sleeping
        self._growing = growing
        self._roll_back = roll_back
        self._erasing = erasing
        self._save = save
        self._clock = clock
        self._report = report

    def feed(self, text: str, origin: str) -> Entry:
        """Journal text from outside, then let it take effect before the next step.

        Raises:
            StreamError: there is no room for it.
            CheckpointError: it could not be journaled.
        """
        self._stream.require_room(len(text.encode()), origin=origin)
        return self.order("feed", {"text": text, "origin": origin})

    def grow(self, plan: GrowthPlan) -> dict[str, Any]:
        """Save, journal the plan of a growth by hand, let it take effect; what came of it.

        Raises:
            CheckpointError: it could not be saved or journaled; then nothing grew.
        """
        # Saved before it is journaled: a fork of that checkpoint is a brain that never grew.
        checkpoint = self._save.save("growth")
        if plan.operator == "column":
            self._save.pin(checkpoint)  # what a column freezes learns again only from there
        entry = self.order("grow", plan.to_json())
        self._growing.save_grown()
        return {
            "checkpoint": checkpoint,
            "sequence": entry.sequence,
            "effective_step": entry.step,
            **self._growing.last_record(),
        }

    def erase(self, receipt: Receipt) -> None:
        """Journal an order to forget and let it take effect; its receipt is kept first.

        Raises:
            CheckpointError: it could not be kept or journaled; nothing is forgotten.
        """
        self._erasing.put(receipt)
        try:
            entry = self._journal.append("forget", self._clock.step, receipt.order)
        except CheckpointError:
            self._erasing.drop(receipt)
            raise
        self.apply(entry)

    def order(self, kind: str, payload: Mapping[str, Any]) -> Entry:
        """Journal what a person orders, and let it take effect.

        Raises:
            CheckpointError: it could not be journaled.
        """
        entry = self._journal.append(kind, self._clock.step, payload)
        self.apply(entry)
        return entry

    def decide(self, kind: str, payload: Mapping[str, Any]) -> Entry | None:
        """Journal what the loop decides, and let it take effect; None when a failing disk postpones it."""
        entry = self._patient.append(kind, self._clock.step, payload)
        if entry is not None:
            self.apply(entry)
        return entry

    def apply_due(self) -> None:
        """Apply the entries journaled before a crash again, at their steps."""
        pending = self._position.pending
        while pending and pending[0].step <= self._clock.step:
            self.apply(pending.pop(0))
        self._erasing.settle()

    def apply(self, entry: Entry) -> None:
        """Let one journaled entry take effect."""
        match entry.kind:
            case "feed":
                self._push(entry)
            case "sleep":
                self._sleeping.apply(entry.payload)
            case "grow":
                self._growing.apply(GrowthPlan.from_json(entry.payload))
            case "roll_back":
                self._roll_back.take(entry.payload["checkpoint"])
            case "forget":
                self._erasing.take(entry.payload)
            case "void":
                pass
            case _:
                raise AssertionError(f"no journal entry is of kind {entry.kind!r}")
        self._position.journal_sequence = entry.sequence
        if entry.kind == "forget":
            self._erasing.settle()  # a checkpoint without it says that it has taken effect

    def repeat_roll_back(self) -> bool | None:
        """Roll back as the life before a crash did at this step.

        False when it did at another, which may be a later one; None when it did not at all.
        """
        pending = self._position.pending
        if not any(entry.kind == "roll_back" for entry in pending):
            return None
        repeated = pending[0].kind == "roll_back" and pending[0].step == self._clock.step
        if repeated:
            self.apply(pending.pop(0))
        return repeated

    def catch_up(self) -> bool:
        """Apply the next acknowledged entry early: the text its step was learned from is gone.

        False when there is none, or while it has to wait for the disk.
        """
        pending = self._position.pending
        if not pending:
            return False
        entry = next((entry for entry in pending if entry.kind != "roll_back"), None)
        if entry is None:  # what was rolled back was not learned this time
            if truncated := self._patient.truncate_after(self._clock.step):
                pending.clear()
            return truncated
        if (brought := self._patient.bring_forward(entry, self._clock.step)) is None:
            return False
        self.apply(brought)
        pending.remove(entry)
        return True

    def newest(self) -> int:
        """Number of the newest journal entry."""
        return self._journal.last_sequence

    def void_after(self, sequence: int) -> bool:
        """Void entries behind that one which are not in effect; returns whether there were any."""
        newest = max(sequence, self._position.journal_sequence)
        broken = [entry for entry in self._journal.entries if entry.sequence > newest]
        for entry in broken:
            self._position.journal_sequence = self._journal.void(entry).sequence
        return bool(broken)

    def _push(self, entry: Entry) -> None:
        data, origin = entry.payload["text"].encode(), entry.payload["origin"]
        if self._stream.push(data, sequence=entry.sequence, origin=origin):
            self._report.event(ExperiencePushed(step=self._clock.step, num_bytes=len(data), origin=origin))
