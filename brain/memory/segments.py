"""Append-only segment files of fixed-size records, written with write(), read through read-only memory maps.

A file only ever grows: after a crash or a fall-back, rows that no checkpoint committed stay there, and
a new segment begins behind them, so forks and older checkpoints can rely on the heads they refer to. Rows that are
forgotten on purpose become zeros in their place (`erasing`).

Address of a row = number of its segment × rows_per_segment + its place there.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from brain.disk_sync import sync_directory, sync_file
from brain.errors import MemoryDamagedError
from brain.memory.erasing import ErasedRows, erase, hash_rows, overwrite
from brain.memory.replay_commit import ReplayCommit, SegmentCommit, list_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

ByteRows = NDArray[np.uint8]

_NAME = re.compile(r"seg-(\d{6,})\.bin")


class SegmentFile:
    """One segment on disk: rows (N, R) of R bytes each, readable as an array, hashed as it grows."""

    def __init__(self, path: Path, number: int, record_bytes: int) -> None:
        self.path = path
        self.number = number
        self.rows = 0
        self.mapped: ByteRows = np.empty((0, record_bytes), np.uint8)
        self.erased = ErasedRows()
        self._record_bytes = record_bytes
        self._sha256 = hashlib.sha256()

    @classmethod
    def verified(cls, path: Path, commit: SegmentCommit, record_bytes: int) -> SegmentFile:
        """The committed head of an existing file.

        Raises:
            MemoryDamagedError: when the file is missing, short, or differs from what was committed.
        """
        segment = cls(path, commit.number, record_bytes)
        segment.erased = ErasedRows.beside(path)
        try:
            segment._hash(commit.rows)
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from error
        if not segment.erased.accepts((commit.rows, commit.sha256), segment._sha256.hexdigest()):
            raise _damaged(path, "checksum differs")
        segment._finish_erasing()
        if commit.rows:
            segment.rows, segment.mapped = commit.rows, segment._map(commit.rows)
        return segment

    def erase(self, rows: NDArray[np.int64], heads: Iterable[tuple[int, str]]) -> None:
        """Make rows of the file unreadable; `heads` are those that others committed of it.

        Raises:
            OSError: the disk is full or broken.
        """
        erase(self.path, rows, {*heads, (self.rows, self._sha256.hexdigest())}, self._record_bytes)
        self.erased = ErasedRows.beside(self.path)
        self._hash(self.rows)

    def _hash(self, rows: int) -> None:
        """Hash the first rows anew, as they are without what is erased."""
        gone = self.erased.mask(rows)
        ((_, self._sha256),) = hash_rows(self.path, [rows], self._record_bytes, gone)

    def _finish_erasing(self) -> None:
        if not self.erased.ranges:
            return
        total = self.path.stat().st_size // self._record_bytes
        try:
            overwrite(self.path, self.erased.mask(total), self._record_bytes)
        except OSError as error:
            logger.warning("%s still holds rows that are to be forgotten: %s", self.path, error)

    def append(self, rows: ByteRows) -> None:
        """Write rows (n, R) behind the last; a failed write leaves the segment as it was, to be tried again.

        Raises:
            OSError: disk full, no permission.
        """
        data = memoryview(rows.tobytes())
        # Unbuffered and at a known place: what a torn write left is overwritten by the next try.
        with self.path.open("r+b" if self.path.exists() else "xb", buffering=0) as file:
            file.seek(self.rows * self._record_bytes)
            written = 0
            while written < len(data):
                written += file.write(data[written:])
        mapped = self._map(self.rows + len(rows))  # may fail too; then these rows are written again
        self._sha256.update(data)
        self.rows, self.mapped = self.rows + len(rows), mapped

    def sync(self) -> None:
        """Force the file to disk."""
        with self.path.open("r+b", buffering=0) as file:
            sync_file(file.fileno())

    def commit(self) -> SegmentCommit:
        """What a checkpoint says about this segment as it stands; O(1)."""
        return SegmentCommit(
            folder=self.path.parent.name, number=self.number, rows=self.rows, sha256=self._sha256.hexdigest()
        )

    def _map(self, rows: int) -> ByteRows:
        mapped = np.memmap(self.path, np.uint8, "r", shape=(rows, self._record_bytes))
        return mapped.view(np.ndarray)  # indexing the subclass costs a microsecond a row


class SegmentLog:
    """The segments of one memory: its own folder's, and the committed ones of its parents.

    Rows not yet written wait in a tail in memory (at most `tail_rows`), so a step pays no system call and a
    full disk does not stop it.
    """

    def __init__(self, folder: Path, *, record_bytes: int, rows_per_segment: int, tail_rows: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.rows_per_segment = rows_per_segment
        self._record_bytes = record_bytes
        self._tail: ByteRows = np.empty((tail_rows, record_bytes), np.uint8)
        self._tail_used = 0
        self._segments: dict[int, SegmentFile] = {}
        self._open: SegmentFile | None = None
        self._next_number = max(_numbers(folder), default=-1) + 1
        self._unsynced: set[SegmentFile] = set()
        self._unsynced_lock = threading.Lock()

    def take_over(self, commits: Iterable[SegmentCommit], parents: Sequence[Path]) -> None:
        """Verify and map committed segments; continue in the newest own one if nothing follows its head.

        Raises:
            MemoryDamagedError: a segment is missing or differs.
        """
        for commit in commits:
            homes = [home for home in (self.folder, *parents) if home.name == commit.folder]
            paths = [home / commit.file_name for home in homes] or [
                self.folder.parent / commit.folder / commit.file_name
            ]
            path = next((path for path in paths if path.exists()), paths[0])
            self._segments[commit.number] = SegmentFile.verified(path, commit, self._record_bytes)
        self._next_number = max(self._next_number, max(self._segments, default=-1) + 1)
        newest = self._segments.get(self._next_number - 1)
        if newest is not None and newest.path.parent == self.folder and self._goes_on(newest):
            self._open = newest

    def append(self, rows: ByteRows) -> NDArray[np.int64]:
        """Take rows (n, R) into the tail, which has the room; returns their final addresses, (n,)."""
        first = self._tail_used
        assert len(rows) <= self.room, "flush first"
        self._tail[first : first + len(rows)] = rows
        self._tail_used += len(rows)
        # The open segment has the highest number there is, so addresses run on across its end.
        return np.arange(self._tail_start + first, self._tail_start + self._tail_used)

    @property
    def room(self) -> int:
        """Rows that the tail can still take."""
        return len(self._tail) - self._tail_used

    @property
    def num_waiting(self) -> int:
        """Rows in the tail, not written yet."""
        return self._tail_used

    def flush(self) -> None:
        """Write the tail, sealing each segment that it fills.

        Raises:
            OSError: disk full; the rows not yet written stay in the tail.
        """
        while self._tail_used:
            segment = self._open or self._begin()
            with self._unsynced_lock:
                self._unsynced.add(segment)
            taken = min(self._tail_used, self.rows_per_segment - segment.rows)
            segment.append(self._tail[:taken])
            self._tail[: self._tail_used - taken] = self._tail[taken : self._tail_used].copy()
            self._tail_used -= taken
            if segment.rows == self.rows_per_segment:
                self._open = None

    def sync(self) -> None:
        """Force everything flushed so far to disk, folder included; may run beside further appends."""
        with self._unsynced_lock:
            segments, self._unsynced = self._unsynced, set()
        try:
            for segment in segments:
                if segment.path.exists():
                    segment.sync()
            if segments:
                sync_directory(self.folder)
                sync_directory(self.folder.parent)  # which may have got this folder only now
        except OSError:
            with self._unsynced_lock:
                self._unsynced |= segments
            raise

    def read(self, addresses: NDArray[np.int64]) -> ByteRows:
        """Records at these addresses, (n, R), copied."""
        rows = np.empty((len(addresses), self._record_bytes), np.uint8)
        per_segment, tail_start, tail, segments = (
            self.rows_per_segment,
            self._tail_start,
            self._tail,
            self._segments,
        )
        for i, address in enumerate(addresses.tolist()):
            if address >= tail_start:
                rows[i] = tail[address - tail_start]
            else:
                number, place = divmod(address, per_segment)
                rows[i] = segments[number].mapped[place]
        return rows

    def erased(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which records at these addresses (n,) are erased."""
        gone = np.zeros(len(addresses), np.bool_)
        for number, segment in self._segments.items():
            if segment.erased.ranges:
                within = addresses // self.rows_per_segment == number
                gone[within] = segment.erased.mask(segment.rows)[addresses[within] % self.rows_per_segment]
        return gone

    def files(self, commits: Iterable[SegmentCommit]) -> list[tuple[SegmentFile, int | None]]:
        """Segments of the own folder, to be read whole, and heads of others that are used or that `commits` name."""
        heads: dict[tuple[str, int], int] = {}
        used = [segment.commit() for segment in self._segments.values()]
        for commit in (*used, *commits):
            if commit.folder != self.folder.name:
                key = commit.folder, commit.number
                heads[key] = max(heads.get(key, 0), commit.rows)
        known = {segment.path: segment for segment in self._segments.values()}
        paths: dict[Path, int | None] = {
            self.folder / f"seg-{number:06d}.bin": None for number in sorted(_numbers(self.folder))
        }
        for (folder, number), rows in sorted(heads.items()):
            path = self.folder.parent / folder / f"seg-{number:06d}.bin"
            path = next((one for one in known if one.name == path.name and one.parent.name == folder), path)
            paths[path] = rows
        return [
            (known.get(path) or SegmentFile(path, int(path.stem[4:]), self._record_bytes), rows)
            for path, rows in paths.items()
            if path.exists()
        ]

    def commits(self, live: Collection[int]) -> tuple[SegmentCommit, ...]:
        """Commits of the segments numbered in `live` and of the open one; the tail must be flushed."""
        assert self._tail_used == 0
        wanted = set(live) | ({self._open.number} if self._open else set())
        return tuple(self._segments[number].commit() for number in sorted(wanted))

    def forget(self, live: Collection[int]) -> None:
        """Unmap segments that are neither live nor open."""
        keep = set(live) | ({self._open.number} if self._open else set())
        for number in [number for number in self._segments if number not in keep]:
            del self._segments[number]

    @property
    def _tail_start(self) -> int:
        """Address of the tail's first row."""
        if self._open is None:
            return self._next_number * self.rows_per_segment
        return self._open.number * self.rows_per_segment + self._open.rows

    def _begin(self) -> SegmentFile:
        number = self._next_number
        path = self.folder / f"seg-{number:06d}.bin"
        list_of(path).unlink(missing_ok=True)  # of one of the same number that is long gone
        self._open = self._segments[number] = SegmentFile(path, number, self._record_bytes)
        self._next_number += 1
        return self._open

    def _goes_on(self, segment: SegmentFile) -> bool:
        exact = segment.path.stat().st_size == segment.rows * self._record_bytes
        return exact and segment.rows < self.rows_per_segment


def unreferenced(folder: Path, commits: Iterable[ReplayCommit]) -> list[Path]:
    """Sealed segments of `folder` that none of the commits refers to; the newest counts as still open.

    A running memory adds what its own slots refer to: `ReplayMemory.unreferenced`.
    """
    referenced = {
        segment.number for commit in commits for segment in commit.segments if segment.folder == folder.name
    }
    numbers = sorted(_numbers(folder))
    gone = [folder / f"seg-{number:06d}.bin" for number in numbers[:-1] if number not in referenced]
    return [*gone, *(path for path in map(list_of, gone) if path.exists())]


def _numbers(folder: Path) -> list[int]:
    matches = (_NAME.fullmatch(entry.name) for entry in folder.iterdir()) if folder.is_dir() else ()
    return [int(match[1]) for match in matches if match]


def _damaged(path: Path, defect: str) -> MemoryDamagedError:
    return MemoryDamagedError(f"Replay segment {path} is damaged ({defect}).")
