"""Erasing on purpose what was read: out of memory at a step of the journal, out of a checkpoint, then off the disk.

See docs/adr/0015. Nothing is erased on disk before a checkpoint holds the run without it. After a crash before that
the next start lets the order take effect at once, and once more at its step; after a later one it finds a receipt
that says what is still to be erased.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from brain.capabilities import Forgetful
from brain.errors import SynapsedError
from daemon.erasing_receipts import ERASED, ORDERED, TAKEN, Receipt
from daemon.errors import CheckpointError
from daemon.system.retry import Retry
from daemon.trainer.erasing.erasing_request import counts_of, memory_counts, receipt_of
from daemon.trainer.erasing.from_checkpoint import edit_of
from daemon.trainer.erasing.from_disk import ErasingOnDisk, event_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from brain.memory.replay import ReplayMemory
    from brain.ports import Brain
    from daemon.journal import Journal
    from daemon.orders import Forget
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.checkpoints.saving import Saver
    from daemon.trainer.measures.frozen_probes import Probes
    from daemon.trainer.ports import Clock, Report, Save
    from daemon.trainer.state.journal_position import JournalPosition
    from daemon.trainer.state.lane_resets import LaneResets
    from daemon.trainer.state.source_names import SourceNames

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stores:
    """Where what was read stands.

    Attributes:
        brain: beside its weights.
        replay: rows, in memory and on disk.
        stream: pushed texts that are not read to their end.
        probes: frozen rows.
        resets: of lanes.
        shown: called to let go of what was shown last.
    """

    brain: Brain
    replay: ReplayMemory
    stream: ExperienceStream
    probes: Probes
    resets: LaneResets
    shown: Callable[[], object]


class Erasing:
    """Carries out orders to forget.

    Args:
        run_id: of the run.
        stores: where it stands.
        disk: the same on disk.
        names: of its sources.
        journal: of the run.
        position: how much of it has taken effect.
        save: takes one without it.
        clock: of the run.
        report: takes the event.
    """

    def __init__(
        self,
        run_id: str,
        *,
        stores: Stores,
        disk: ErasingOnDisk,
        names: SourceNames,
        journal: Journal,
        position: JournalPosition,
        save: Save,
        clock: Clock,
        report: Report,
    ) -> None:
        self._run_id = run_id
        self._stores = stores
        self._disk = disk
        self._names = names
        self._journal = journal
        self._position = position
        self._save = save
        self._clock = clock
        self._report = report
        self._owed: list[int] = []  # in effect, but not off the disk yet
        self._why = ""
        self._retry = Retry()

    def begin(self) -> None:
        """At the start of a session: finish what an earlier one could not, and forget orders that never were.

        What waits for its step is erased now: a run that is ended before that step, or asked, has none of it.
        """
        # By the receipt they name: one that was brought forward has another number.
        entries = {one.payload.get("receipt") for one in self._journal.entries if one.kind == "forget"}
        waiting = {
            one.payload["receipt"]
            for one in self._position.pending
            if one.kind == "forget" and one.payload.get("run") == self._run_id and one.step > self._clock.step
        }
        for receipt in self._disk.receipts.all():
            in_effect = receipt.number <= self._position.journal_sequence
            if receipt.state == ORDERED and receipt.number not in entries and not receipt.saved:
                self._disk.receipts.drop(receipt)
            elif receipt.state != ERASED and receipt.number in waiting:
                self._take(receipt)
            elif receipt.state != ERASED and in_effect:
                self._owed.append(receipt.number)
            elif receipt.state == ERASED and not receipt.reported:
                self._report_erased(receipt)
        self.settle()

    def wanted(self, order: Forget) -> Receipt:
        """The receipt of an order, and what it would find; changes nothing.

        Raises:
            RefusalError: it selects nothing, or a run that shares its memories is alive.
            OSError: what is remembered cannot be read.
        """
        receipt = receipt_of(
            order,
            run=self._run_id,
            number=self._journal.last_sequence + 1,
            step=self._clock.step,
            time=datetime.now(UTC).isoformat(),
            names=self._names,
        )
        found = self._disk.find(receipt)
        brain, forgotten = self._stores.brain, None
        if isinstance(brain, Forgetful):
            forgotten = brain.forget(receipt.selection, dry_run=True)
        counts = counts_of(found) | memory_counts(forgotten)
        counts["replayed_rows"] = len(self._stores.replay.chosen(receipt.selection).slots)
        counts["sources_read_on"] = receipt.asked in self._names.now if receipt.kind == "source" else True
        return dataclasses.replace(receipt, counts=counts)

    def require_alone(self) -> None:
        """Refuse while a run that shares memories on disk with this one is alive.

        Raises:
            ConflictError: names it.
        """
        with self._disk.alone():
            pass

    def put(self, receipt: Receipt) -> None:
        """Write the receipt of an order; it is journaled next.

        Raises:
            CheckpointError: the disk is full.
        """
        try:
            self._disk.receipts.put(receipt)
        except OSError as error:
            raise CheckpointError(
                f"Nothing was forgotten: the receipt could not be written ({error.strerror or error}). "
                "Free space, then try again"
            ) from error

    def drop(self, receipt: Receipt) -> None:
        """The order did not come into the journal."""
        self._disk.receipts.drop(receipt)

    def take(self, order: Mapping[str, Any]) -> None:
        """Let a journaled order take effect in memory, now or again after a crash."""
        receipt = self._disk.receipts.get(int(order["receipt"])) if order.get("run") == self._run_id else None
        if receipt is not None:  # else of the run that this one was forked from: it applied on loading
            self._take(receipt)

    def settle(self) -> None:
        """Save without what is forgotten, then erase it on disk; what fails is tried again."""
        if not self._owed or not self._retry.due:
            return
        try:
            for number in list(self._owed):
                if (receipt := self._disk.receipts.get(number)) is not None:
                    self._finish(receipt)
                self._owed.remove(number)
        except (OSError, SynapsedError) as error:
            self._why = str(error)
            logger.warning("what is forgotten still stands on disk: %s", error)
            self._retry.failed()
            return
        self._why = ""
        self._retry.succeeded()

    def answer(self, receipt: Receipt, *, dry_run: bool = False) -> dict[str, Any]:
        """The answer to the order."""
        now = None if dry_run else self._disk.receipts.get(receipt.number)
        return self._disk.answer(now or receipt, dry_run=dry_run, why_not=self._why)

    def _take(self, receipt: Receipt) -> None:
        stores, selection = self._stores, receipt.selection
        rows = len(stores.replay.forget(selection).slots)
        forgotten = stores.brain.forget(selection) if isinstance(stores.brain, Forgetful) else None
        source = receipt.asked if receipt.kind == "source" else ""
        probe_rows = stores.probes.forget(selection, source)
        stores.stream.edit_pushed(edit_of(receipt, self._disk.dated(receipt)))
        self._position.pending[:] = self._disk.redacted(receipt, self._position.pending)
        stores.resets.owe_all(len(stores.stream.cursor().lanes))
        stores.shown()
        counts = {**receipt.counts, "replayed_rows": rows, "probe_rows": probe_rows}
        counts |= memory_counts(forgotten)
        self._disk.receipts.put(dataclasses.replace(receipt, state=ORDERED, counts=counts))
        self._owed.append(receipt.number)

    def _finish(self, receipt: Receipt) -> None:
        with self._disk.alone():
            if receipt.state != TAKEN:
                with self._disk.way_back(receipt):
                    saved = self._save.save("forgotten")
                receipt = self._disk.taken(receipt, saved)
            self._report_erased(self._disk.erase(receipt))

    def _report_erased(self, receipt: Receipt) -> None:
        self._report.event(event_of(receipt))
        if (now := self._disk.receipts.get(receipt.number)) is not None:  # its text may be gone by now
            self._disk.receipts.put(dataclasses.replace(now, reported=True))


def erasing_of(
    run_id: str,
    home: Path,
    stores: Stores,
    *,
    names: SourceNames,
    journal: Journal,
    position: JournalPosition,
    saver: Saver,
    clock: Clock,
    report: Report,
) -> Erasing:
    """That of a run in a home, put together."""
    return Erasing(
        run_id,
        stores=stores,
        disk=ErasingOnDisk(home, run_id, replay=stores.replay, journal=journal, catalogue=saver.catalogue),
        names=names,
        journal=journal,
        position=position,
        save=saver,
        clock=clock,
        report=report,
    )
