"""What a run was told to forget, taken off the disk: records of replay, journal, receipts; and the report of it.

Serves the trainer of a living run, and the command line for a stopped one.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from brain.memory.replay_commit import ReplayCommit
from daemon.checkpoint.replay_references import replayed_folders
from daemon.checkpoint.run_lock import RunLock
from daemon.erasing_receipts import ERASED, TAKEN, Receipts
from daemon.errors import ConflictError, NotFoundError
from daemon.events import ExperienceForgotten
from daemon.journal_entry import VOID
from daemon.trainer.erasing.from_checkpoint import edit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from brain.memory.replay import ReplayMemory
    from brain.memory.replay_records import Recorded
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.manifest import Manifest
    from daemon.checkpoint.retention import CheckpointInfo
    from daemon.erasing_receipts import Receipt
    from daemon.journal import Entry, Journal
    from daemon.streams.pushed import Edit

NOT_REACHED = (
    "the weights, their averages and moments, which still carry what it taught",
    "exports, database backups and copies of the home",
    "log files of earlier versions, which quoted fed text, and the cache of unpacked text",
)


class ErasingOnDisk:
    """Erases on disk.

    Args:
        home: the home folder.
        run_id: of the run, whose lock is held.
        replay: memory of it.
        journal: of it.
        catalogue: of all checkpoints.
    """

    def __init__(
        self, home: Path, run_id: str, *, replay: ReplayMemory, journal: Journal, catalogue: Catalogue
    ) -> None:
        self.receipts = Receipts(home / "replay" / run_id)
        self._home = home
        self._run_id = run_id
        self._replay = replay
        self._journal = journal
        self._catalogue = catalogue

    def find(self, receipt: Receipt) -> Recorded:
        """The records that a receipt covers.

        Raises:
            OSError: they cannot be read, or what waits not be written.
        """
        own, others = self._commits()
        return self._replay.recorded(receipt.selection, own, before_step=receipt.step, others=others)

    def taken(self, receipt: Receipt, checkpoint: str) -> Receipt:
        """A checkpoint holds the run without it from now on; the receipt as it is then.

        Raises:
            OSError: it could not be written.
        """
        saved = self._catalogue.info(checkpoint).manifest.sequence
        return self._put(receipt, state=TAKEN, saved=saved, checkpoint=checkpoint)

    def erase(self, receipt: Receipt) -> Receipt:
        """Take it off the disk; the receipt as it is then.

        Raises:
            OSError: the disk is full or broken; call it again.
            CheckpointError: the same of the journal.
        """
        recorded, (own, others) = self.find(receipt), self._commits()
        self._replay.erase(recorded, [*own, *others])
        edit = edit_of(receipt, self.dated(receipt))
        texts = self._journal.redact(lambda entry: _redacted(entry, edit, receipt.number))
        rows = max(recorded.num_rows, int(receipt.counts.get("rows", 0)))
        receipt = self._put(
            receipt, state=ERASED, counts={**receipt.counts, "rows": rows, "pushed_texts": texts}
        )
        self.receipts.seal(one.manifest for one in self._catalogue.list(self._run_id))
        return receipt

    def redacted(self, receipt: Receipt, entries: Iterable[Entry]) -> list[Entry]:
        """Journal entries without it, as they are read again once it is erased."""
        edit = edit_of(receipt, self.dated(receipt))
        left: list[Entry] = []
        for entry in entries:
            payload = _redacted(entry, edit, receipt.number)
            void = {"kind": VOID, "payload": {}}
            left.append(dataclasses.replace(entry, **(void if payload is None else {"payload": payload})))
        return left

    def dated(self, receipt: Receipt) -> set[int]:
        """Numbers of the entries since the step from which on all is forgotten, and before the order."""
        if receipt.since is None:
            return set()
        return {
            one.sequence
            for one in self._journal.entries
            if receipt.since <= one.step <= receipt.step and one.sequence < receipt.number
        }

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold every run that shares rows with this one, so that none reads them meanwhile.

        Raises:
            ConflictError: one is alive; names it.
        """
        with contextlib.ExitStack() as stack:
            for run in self._others():
                try:
                    stack.enter_context(RunLock(self._home, run))
                except ConflictError:
                    raise ConflictError(
                        f"{run} is alive and replays some of the same memories; stop it first: "
                        f"synapsed stop --keep-serving --run {run}"
                    ) from None
            yield

    @contextlib.contextmanager
    def way_back(self, receipt: Receipt) -> Iterator[None]:
        """Keep the newest checkpoint from before it was read while its own checkpoint prunes others."""
        before = _before(receipt, self._catalogue.list(self._run_id))
        if before is None or before.pinned:
            yield
            return
        with contextlib.suppress(OSError, NotFoundError):  # full disk, or deleted meanwhile
            self._catalogue.pin(before.name)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, NotFoundError):
                self._catalogue.unpin(before.name)

    def answer(self, receipt: Receipt, *, dry_run: bool = False, why_not: str = "") -> dict[str, Any]:
        """The answer to the order."""
        infos = self._catalogue.list(self._run_id)
        before = _before(receipt, infos)

        def holds(manifest: Manifest) -> bool:
            return not receipt.absent_from(manifest) if dry_run else receipt.lacked_by(manifest)

        older = [one.name for one in infos if holds(one.manifest)]
        return {
            "what": receipt.what,
            "kind": receipt.kind,
            "run": self._run_id,
            "receipt": None if dry_run else receipt.number,
            "effective_step": receipt.step,
            "sha256": receipt.sha256 or None,
            **receipt.counts,
            "checkpoint": receipt.checkpoint or None,
            "before": None if before is None else {"checkpoint": before.name, "step": before.manifest.step},
            "older": older,
            "not_reached": not_reached(keeps_text=receipt.text is not None and bool(older)),
            "others": self._others(),
            "on_disk": None if dry_run else receipt.state == ERASED,
            "why_not": why_not or None,
        }

    def _put(self, receipt: Receipt, **changes: Any) -> Receipt:
        receipt = dataclasses.replace(receipt, **changes)
        self.receipts.put(receipt)
        return receipt

    def _commits(self) -> tuple[list[ReplayCommit], list[ReplayCommit]]:
        """What the checkpoints of this run, and of all others, refer to."""
        own: list[ReplayCommit] = []
        others: list[ReplayCommit] = []
        for info in self._catalogue.list():
            if info.manifest.replay:
                commit = ReplayCommit.from_json(info.manifest.replay)
                (own if info.manifest.run_id == self._run_id else others).append(commit)
        return own, others

    def _others(self) -> list[str]:
        """Runs that share replayed rows with this one."""
        folders = replayed_folders(info.manifest for info in self._catalogue.list())
        own = folders.get(self._run_id, set()) | {self._run_id}
        return sorted(run for run, names in folders.items() if run != self._run_id and own & {*names, run})


def _before(receipt: Receipt, infos: Iterable[CheckpointInfo]) -> CheckpointInfo | None:
    """The newest checkpoint, of these, from before any of it was read, as far as memories tell."""
    # Rows since a step may be erased already, by an earlier order; the weights have learned them all the same.
    begun = [step for step in (receipt.counts.get("first_step"), receipt.since) if step is not None]
    return next((one for one in infos if begun and one.manifest.step <= min(begun)), None)


def not_reached(*, keeps_text: bool) -> list[str]:
    """Where what is forgotten may still stand: what the terminal and the page both show."""
    own = ["the receipt, which keeps the text until no older checkpoint is left"] if keeps_text else []
    return [*NOT_REACHED, *own]


def event_of(receipt: Receipt) -> ExperienceForgotten:
    """The event that tells of what was forgotten."""
    counts = receipt.counts
    return ExperienceForgotten(
        step=receipt.step,
        what=receipt.what,
        receipt=receipt.number,
        sha256=receipt.sha256,
        rows=int(counts.get("rows", 0)),
        row_bytes=int(counts.get("row_bytes", 0)),
        memory_bytes=int(counts.get("memory_bytes", 0)),
        memory_contexts=int(counts.get("memory_contexts", 0)),
        memory_emptied=bool(counts.get("memory_emptied")),
        probe_rows=int(counts.get("probe_rows", 0)),
        pushed_texts=int(counts.get("pushed_texts", 0)),
        first_step=counts.get("first_step"),
        checkpoint=receipt.checkpoint,
    )


def _redacted(entry: Entry, edit: Edit, number: int) -> Mapping[str, Any] | None:
    """The payload of a journal entry without what was forgotten by the entry of that number."""
    payload = entry.payload
    if entry.kind != "feed" or entry.sequence > number:
        return payload
    text = edit(entry.sequence, payload["text"].encode())
    return None if text is None else {**payload, "text": text.decode()}
