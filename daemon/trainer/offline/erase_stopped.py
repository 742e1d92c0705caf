"""Erasing on purpose in a stopped run: in its newest checkpoint, of which a new one is made."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from brain.memory.replay import ReplayMemory
from brain.memory.replay_commit import ReplayCommit
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load_newest
from daemon.checkpoint.checkpoint_writer import CheckpointWriter
from daemon.checkpoint.run_lock import RunLock
from daemon.checkpoint.snapshot import Snapshot
from daemon.config.loading import config_from_dict
from daemon.erasing_receipts import ERASED
from daemon.errors import CheckpointError, UsageError
from daemon.events import CheckpointFailed
from daemon.journal import Journal
from daemon.orders import Forget
from daemon.streams.sources import PUSHED
from daemon.trainer.checkpoints.restoring import SLOTS_PREFIX, loop_state, parts_of
from daemon.trainer.erasing.erasing_request import counts_of, memory_counts, receipt_of
from daemon.trainer.erasing.from_checkpoint import edit_of, erased_from, found_in_brain, without_erased
from daemon.trainer.erasing.from_disk import ErasingOnDisk, event_of
from daemon.trainer.errors import RefusalError
from daemon.trainer.state.journal_position import JournalPosition
from daemon.trainer.state.source_names import SourceNames

if TYPE_CHECKING:
    from daemon.erasing_receipts import Receipt
    from daemon.home import Home

STAMPS = ("run_id", "session", "step", "samples", "reason", "timestamp")
NOTHING = "Nothing was forgotten"


def erase(
    home: Home, run_id: str, *, dry_run: bool = False, **wanted: Any
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Erase a text, a source or all since a step; the answer, and the event, which nobody has been sent yet.

    Raises:
        ConflictError: a trainer holds the run or one that shares its memories.
        UsageError: it selects nothing.
        CheckpointError: no checkpoint of it is sound, or the new one could not be saved; then nothing is erased.
    """
    torch.set_num_threads(1)
    with RunLock(home.root, run_id):
        standing = Standing(home, run_id)
        receipt = standing.wanted(Forget(dry_run=dry_run, **wanted))
        if dry_run:
            return standing.disk.answer(receipt, dry_run=True), None
        with standing.disk.alone():
            receipt = standing.erase(receipt)
        return standing.disk.answer(receipt), event_of(receipt).record()


class Standing:
    """A stopped run, and the parts of a new checkpoint."""

    def __init__(self, home: Home, run_id: str) -> None:
        self._run_id = run_id
        self._catalogue = Catalogue(home.checkpoints)
        loaded = load_newest(self._catalogue, run_id, emit=lambda _: None)
        self._journal = Journal(home.replay / run_id)
        self._step, self._kept = loaded.manifest.step, loop_state(loaded)
        position = JournalPosition.restored(self._kept)
        self._position = position.journal_sequence
        self._waiting = list(self._journal.replay_from(self._step, self._position))
        self._config = config_from_dict(loaded.state.get("config", {}), origin=loaded.path.name)
        self._loaded = without_erased(loaded, home.replay)
        self._memory = self._open_memory(home)
        self.disk = ErasingOnDisk(
            home.root, run_id, replay=self._memory, journal=self._journal, catalogue=self._catalogue
        )

    def wanted(self, order: Forget) -> Receipt:
        """The receipt of an order, and what it would find on disk.

        Raises:
            UsageError: it selects nothing.
        """
        read = [str(source["name"]) for source in self._kept.get("cursor", {}).get("sources", ())]
        names = SourceNames.of(self._kept, self._step, [*read, PUSHED])
        try:
            receipt = receipt_of(
                order,
                run=self._run_id,
                number=self._journal.last_sequence + 1,
                step=self._step,
                time=datetime.now(UTC).isoformat(),
                names=names,
            )
        except RefusalError as error:
            raise UsageError(str(error)) from error
        counts = counts_of(self.disk.find(receipt))
        counts["replayed_rows"] = len(self._memory.chosen(receipt.selection).slots)
        counts["sources_read_on"] = receipt.kind != "source" or receipt.asked in names.now
        if order.dry_run:
            counts |= memory_counts(found_in_brain(self._loaded, receipt))
        return dataclasses.replace(receipt, counts=counts)

    def erase(self, receipt: Receipt) -> Receipt:
        """Carry it out; the receipt as it is then.

        Raises:
            CheckpointError: the disk is full; nothing is forgotten.
        """
        try:
            self.disk.receipts.put(receipt)
        except OSError as error:
            raise CheckpointError(
                f"{NOTHING}: {error.strerror or error}. Free space, then try again"
            ) from error
        try:
            entry = self._journal.append("forget", self._step, receipt.order)
        except CheckpointError:
            self.disk.receipts.drop(receipt)
            raise
        interrupted = [self._without(one) for one in self._interrupted()]
        receipt = self._without(receipt)
        # An earlier order of this very step has yet to take effect: then this one does so again behind it.
        due = any(one.step <= self._step for one in self._waiting)
        try:
            with self.disk.way_back(receipt):
                name = self._save(self._position if due else entry.sequence)
        except CheckpointError:
            self._journal.void(entry)
            self.disk.receipts.drop(receipt)
            raise
        for one in interrupted:
            self.disk.erase(self.disk.taken(one, name))
        return self.disk.erase(self.disk.taken(receipt, name))

    def _interrupted(self) -> list[Receipt]:
        """Receipts of earlier orders to forget that a crash kept from taking effect."""
        numbers = {one.payload["receipt"] for one in self._waiting if one.kind == "forget"}
        return [one for one in self.disk.receipts.all() if one.number in numbers and one.state != ERASED]

    def _without(self, receipt: Receipt) -> Receipt:
        """Erase it from what was loaded; the receipt with what that found."""
        before = self._probe_rows()
        edit = edit_of(receipt, self.disk.dated(receipt))
        self._loaded, forgotten = erased_from(self._loaded, receipt, edit)
        rows = len(self._memory.forget(receipt.selection).slots)
        counts = {**receipt.counts, "replayed_rows": rows, "probe_rows": before - self._probe_rows()}
        return dataclasses.replace(receipt, counts=counts | memory_counts(forgotten))

    def _open_memory(self, home: Home) -> ReplayMemory:
        manifest, replay = self._loaded.manifest, self._config.replay
        folder = home.replay / manifest.run_id
        if manifest.replay is None:
            width = self._config.stream.segment_bytes
            return ReplayMemory.create(folder, replay, item_bytes=width, seed=self._config.seed)
        commit = ReplayCommit.from_json(manifest.replay)
        memory = ReplayMemory.restore(folder, replay, commit, parts_of(self._loaded.arrays, SLOTS_PREFIX))
        for selection in self._loaded.forgotten:
            memory.forget(selection)
        return memory

    def _probe_rows(self) -> int:
        arrays = self._loaded.arrays.items()
        return sum(len(array) for name, array in arrays if name.startswith("probes|length|"))

    def _save(self, sequence: int) -> str:
        """A checkpoint without it; its name."""
        try:
            commit = self._memory.commit()
        except OSError as error:
            raise CheckpointError(
                f"{NOTHING}: {error.strerror or error}. Free space, then try again"
            ) from error
        writer = CheckpointWriter(
            self._catalogue.folder,
            run_id=self._run_id,
            session=self._loaded.manifest.session,
            retention=self._config.checkpoint,
            emit=lambda _: None,
        )
        outcome = writer.save_now(self._snapshot(commit, sequence))
        writer.close()
        if isinstance(outcome, CheckpointFailed):
            raise CheckpointError(
                f"{NOTHING}: the checkpoint could not be saved ({outcome.error}). Free space, then try again"
            )
        return outcome.checkpoint

    def _snapshot(self, commit: ReplayCommit, sequence: int) -> Snapshot:
        loaded, manifest = self._loaded, self._loaded.manifest
        state = {name: value for name, value in loaded.state.items() if name not in STAMPS}
        state["loop"] = {**loaded.state.get("loop", {}), "journal_sequence": sequence}
        slots = {f"{SLOTS_PREFIX}{name}": column for name, column in self._memory.slots().items()}
        others = {name: one for name, one in loaded.arrays.items() if not name.startswith(SLOTS_PREFIX)}
        return Snapshot(
            step=manifest.step,
            samples=manifest.samples,
            reason="forgotten",
            model=loaded.model,
            learning=loaded.learning,
            random=loaded.random,
            arrays={**others, **slots},
            state=state,
            spec=manifest.spec,
            tied=manifest.tied,
            replay=commit.to_json(),
            journal=self._journal.last_sequence,
            metrics=manifest.metrics,
            environment=manifest.environment,
            base=loaded.base,
            tables=loaded.tables & loaded.learning.keys(),
        )
