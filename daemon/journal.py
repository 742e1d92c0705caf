"""The journal: everything from outside that touches learning, with the step at which it takes effect.

An entry is on the medium before it is acknowledged. A line an entry, JSON, closed by a CRC over what
before it. After a crash learning continues from an older checkpoint, and the entries behind it take effect at
the very same steps again; so a life after a crash equals the life without one.

When entries count, and for whom:

- *The same run continues* (restart, resume of its newest checkpoint, fall-back after damage): every entry
  behind the checkpoint counts (`replay_from`).
- *A fork* (an older checkpoint resumed on purpose) is a new run with a journal of its own: what the parent
  was given after that checkpoint is not its past (`fork` copies what was given before and is still to come).
- *A step that never comes*, because the text it was to be learned from is gone: what was meant for it takes
  effect earlier, by a new entry in its place (`bring_forward`).
- *Truncation* (`truncate_after`) makes what was to come void, by a record; nothing is rewritten.

Segments are closed when they are large, and dropped from the front once no kept checkpoint needs them.
"""

from __future__ import annotations

import dataclasses
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from daemon.errors import CheckpointError
from daemon.journal_entry import VOID, Entry, line_of, parse
from daemon.system.durable import is_left_over, rewrite_wiped, sync_directory, sync_file, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

__all__ = ["SEGMENT_BYTES", "VOID", "Entry", "Journal"]

SEGMENT_BYTES = 1024 * 1024
_TRUNCATED = "journal_truncated"


class Journal:
    """The journal of one run. One process writes it; it must hold the run's lock. To open it changes nothing.

    Args:
        folder: the run's folder; made with the first entry.
        segment_bytes: a segment is closed once it is larger.

    Raises:
        CheckpointError: it cannot be read.

    `defects` says what opening it found damaged and left out; a torn last line is none, for it was never
    acknowledged.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.defects: tuple[str, ...] = ()
        self._segment_bytes = segment_bytes
        self._entries: list[Entry] = []
        self._segments: dict[Path, list[Entry]] = {}
        self._repairs: dict[Path, tuple[bytes, bytes | None]] = {}  # sound content, and the damaged to keep
        self._good_bytes = 0
        self._next = 1
        self._swept = False
        try:
            self._open()
        except OSError as error:
            raise self._failed("read", error) from error

    @property
    def last_sequence(self) -> int:
        """Number of the newest entry, dropped ones included; 0 before the first."""
        return self._next - 1

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Entries that are still on disk and count, in the order they were written."""
        return tuple(self._entries)

    def append(self, kind: str, step: int, payload: Mapping[str, Any]) -> Entry:
        """Write one entry through to the medium; only then may it be acknowledged and take effect.

        Args:
            kind: what it is.
            step: steps that are finished when it takes effect.
            payload: JSON values.

        Raises:
            ValueError: the payload is not JSON.
            CheckpointError: it could not be written (disk full); nothing of it remains.
        """
        if kind == _TRUNCATED:
            raise ValueError(f"{kind} is the journal's own; call truncate_after")
        return self._write(kind, step, payload)

    def bring_forward(self, entry: Entry, step: int) -> Entry:
        """Let an entry take effect at an earlier step than its own, which never comes: it is void, this one counts.

        Its number is new, so that it stands behind all that has taken effect; one write does both.

        Raises:
            CheckpointError: it could not be written; the entry counts as before.
        """
        brought = self._write(entry.kind, step, entry.payload, replaces=entry.sequence)
        self._entries = _counting(self._segments)
        return brought

    def void(self, entry: Entry) -> Entry:
        """Let an entry count no longer, by an empty one in its place.

        Raises:
            CheckpointError: it could not be written; the entry counts as before.
        """
        empty = self._write(VOID, entry.step, {}, replaces=entry.sequence)
        self._entries = _counting(self._segments)
        return empty

    def replay_from(self, step: int, sequence: int) -> Iterator[Entry]:
        """Entries that a checkpoint's state does not contain, in the order they take effect.

        Args:
            step: finished steps of the checkpoint.
            sequence: number of the last entry that had taken effect in it; 0 for none.
        """
        # Entries take effect in the order of step, then number; a number alone would miss one of a later step
        # that was journaled in a life before a crash.
        last = next(
            ((entry.step, entry.sequence) for entry in self._entries if entry.sequence == sequence), (-1, 0)
        )
        due = [entry for entry in self._entries if entry.step >= step and _order(entry) > last]
        yield from sorted(due, key=_order)

    def fork(self, folder: Path, step: int, sequence: int, *, newest: int) -> Journal:
        """A new run's journal that begins with what this one held at a checkpoint and was still to come.

        Forking again into the same folder, after a crash on the way, completes it and repeats nothing.

        Args:
            folder: the new run's folder.
            step: finished steps of the checkpoint.
            sequence: number of the last entry that had taken effect in it.
            newest: number of the newest entry when the checkpoint was saved.
        """
        fork = Journal(folder, segment_bytes=self._segment_bytes)
        inherited = [
            entry
            for entry in self.replay_from(step, sequence)
            if (entry.replaces or entry.sequence) <= newest  # what it stands for was there then
        ]
        for entry in inherited[
            fork.last_sequence :
        ]:  # all are copied before the fork is given anything itself
            fork.append(entry.kind, entry.step, entry.payload)
        return fork

    def truncate_after(self, step: int) -> None:
        """Make void every entry that takes effect behind `step`; a record says so, nothing is rewritten.

        Raises:
            CheckpointError: the record could not be written; all entries still count.
        """
        self._write(_TRUNCATED, step, {})
        self._entries = _counting(self._segments)

    def redact(self, edit: Callable[[Entry], Mapping[str, Any] | None]) -> int:
        """Take out of entries what is to be forgotten, and off the disk; how many were changed.

        Args:
            edit: the payload an entry has from now on, the same one for one that stays, None for one that is void.

        Raises:
            CheckpointError: not all could be written; call it again.
        """
        changed = 0
        try:
            self._repair()
            for path, entries in self._segments.items():
                edited = [_edited(entry, edit) for entry in entries]
                if edited != entries:
                    data = b"".join(map(line_of, edited))
                    rewrite_wiped(path, data)
                    changed += sum(one != other for one, other in zip(edited, entries, strict=True))
                    self._segments[path] = edited
                    if path == self._last_path():
                        self._good_bytes = len(data)
            for damaged in self.folder.glob("journal-*.damaged") if changed else ():
                damaged.unlink()  # nobody knows what stands in it
        except OSError as error:
            raise self._failed("rewritten; some of what was forgotten is still in it", error) from error
        self._entries = _counting(self._segments)
        return changed

    def drop_before(self, step: int) -> list[Path]:
        """Delete closed segments from the front as long as all their entries take effect before `step`.

        Args:
            step: finished steps of the oldest kept checkpoint of the run.

        Returns:
            The deleted files.
        """
        dropped = []
        for path in list(self._segments)[:-1]:  # the last one is open
            if any(entry.step >= step for entry in self._segments[path]):
                break
            path.unlink(missing_ok=True)
            self._repairs.pop(path, None)
            del self._segments[path]
            dropped.append(path)
        if dropped:
            sync_directory(self.folder)
            self._entries = _counting(self._segments)
        return dropped

    def _write(self, kind: str, step: int, payload: Mapping[str, Any], *, replaces: int = 0) -> Entry:
        entry = Entry(sequence=self._next, step=step, kind=kind, payload=payload, replaces=replaces)
        try:
            line = line_of(entry)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the payload of a journal entry must be JSON: {error}") from error
        try:
            self._repair()
            self._put(self._open_segment(), line)
        except OSError as error:
            raise self._failed("written; nothing was taken in", error) from error
        self._next += 1
        self._segments[self._last_path()].append(entry)
        if kind != _TRUNCATED:
            self._entries.append(entry)
        return entry

    def _put(self, path: Path, line: bytes) -> None:
        with path.open("r+b", buffering=0) as file:
            # A failed write may have left a part: cut it, so no half line ever stands before a whole one.
            file.truncate(self._good_bytes)
            file.seek(self._good_bytes)
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[file.write(rest) :]
                sync_file(file.fileno())
            except OSError:
                file.truncate(self._good_bytes)
                raise
        self._good_bytes += len(line)

    def _open_segment(self) -> Path:
        """The segment to write to; a new one when there is none or the last is large."""
        if self._segments and self._good_bytes < self._segment_bytes:
            return self._last_path()
        path = self.folder / f"journal-{self._next:012d}.jsonl"
        write_whole(path, b"")
        self._segments[path] = []
        self._good_bytes = 0
        return path

    def _last_path(self) -> Path:
        return next(reversed(self._segments))

    def _repair(self) -> None:
        """Before the first write: make the folder, sweep what dead writers left, cut bad lines."""
        if not self._segments and not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            sync_directory(self.folder.parent)
        if not self._swept:
            for left_over in filter(is_left_over, list(self.folder.iterdir())):
                with suppress(OSError):  # it only takes room
                    left_over.unlink()
            self._swept = True
        for path, (sound, damaged) in list(self._repairs.items()):
            if damaged is not None:
                write_whole(path.with_name(f"{path.name}.damaged"), damaged)
            write_whole(path, sound)
            del self._repairs[path]

    def _open(self) -> None:
        paths = sorted(self.folder.glob("journal-*.jsonl"))
        defects: list[str] = []
        for path in paths:
            raw = path.read_bytes()
            entries, kept, bad = parse(raw, tail_may_tear=path == paths[-1])
            if bad:
                defects.append(
                    f"{path.name}: {bad} damaged line(s) left out; the file as it was is {path.name}.damaged"
                )
                logger.warning("journal %s: %d damaged lines", path, bad)
            if kept != raw:
                self._repairs[path] = (kept, raw if bad else None)
            self._segments[path] = entries
            self._good_bytes = len(kept)
            # The name of a segment keeps the count where all its lines, or all before it, are gone.
            self._next = max(self._next, _first_of(path), *(entry.sequence + 1 for entry in entries))
        self.defects = tuple(defects)
        self._entries = _counting(self._segments)

    def _failed(self, what: str, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"The journal in {self.folder} could not be {what} ({error.strerror or error}). "
            "Free space or make the folder writable, then try again"
        )


def _edited(entry: Entry, edit: Callable[[Entry], Mapping[str, Any] | None]) -> Entry:
    if entry.kind in (_TRUNCATED, VOID):
        return entry
    payload = edit(entry)
    if payload is None:
        return dataclasses.replace(entry, kind=VOID, payload={})
    return dataclasses.replace(entry, payload=payload)


def _order(entry: Entry) -> tuple[int, int]:
    return (entry.step, entry.sequence)


def _counting(segments: Mapping[Path, list[Entry]]) -> list[Entry]:
    """Entries that count, as they were written: a truncation voids what was to come when it was made."""
    counting: list[Entry] = []
    for entries in segments.values():
        for entry in entries:
            if entry.kind == _TRUNCATED:
                counting = [earlier for earlier in counting if earlier.step <= entry.step]
            else:
                if entry.replaces:
                    counting = [earlier for earlier in counting if earlier.sequence != entry.replaces]
                counting.append(entry)
    return counting


def _first_of(path: Path) -> int:
    digits = path.stem.removeprefix("journal-")
    return int(digits) if digits.isdecimal() else 1
