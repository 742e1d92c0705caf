"""Erasing rows of segments: they become zeros in their place, for others refer to what stands before and behind.

Beside `seg-N.bin` stands `seg-N.erased.json`: which rows are gone and, for each head that somebody committed, its
hash from then on. It is written first, so a head can be verified at any moment, and whoever opens a file that was
left half-erased finishes it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from brain.disk_sync import sync_directory, sync_file
from brain.memory.replay_commit import list_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
CHUNK_ROWS = 8192

Head = tuple[int, str]  # committed rows, and their SHA-256


@dataclass(frozen=True, kw_only=True)
class ErasedRows:
    """The rows of a segment that are gone.

    Attributes:
        ranges: first row and the one behind the last, in order.
        heads: committed rows → their hash with these rows as zeros.
        before: committed rows → hashes that they were committed with before.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    heads: Mapping[int, str] = field(default_factory=dict)
    before: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def beside(cls, segment: Path) -> ErasedRows:
        """The list beside a segment; empty where there is none, or it cannot be read."""
        try:
            record = json.loads(list_of(segment).read_bytes())
            return cls(
                ranges=tuple((int(begin), int(end)) for begin, end in record["ranges"]),
                heads={int(rows): str(sha256) for rows, sha256 in record["heads"].items()},
                before={int(rows): tuple(was) for rows, was in record["before"].items()},
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        return {
            "format": FORMAT,
            "ranges": [list(one) for one in self.ranges],
            "heads": dict(self.heads),
            "before": {rows: list(was) for rows, was in self.before.items()},
        }

    def accepts(self, head: Head, found: str) -> bool:
        """Whether a head that now has the hash `found` is what was committed."""
        rows, committed = head
        return found == committed or (
            self.heads.get(rows) == found and committed in self.before.get(rows, ())
        )

    def mask(self, rows: int) -> NDArray[np.bool_]:
        """Which of the first `rows` rows are gone, (rows,)."""
        gone = np.zeros(rows, np.bool_)
        for begin, end in self.ranges:
            gone[begin:end] = True
        return gone


def hash_rows(
    segment: Path, marks: Iterable[int], record_bytes: int, gone: NDArray[np.bool_]
) -> Iterator[tuple[int, Any]]:
    """A running SHA-256 at each mark, ascending row numbers, of a file whose rows `gone` count as zeros.

    Raises:
        OSError: it cannot be read, or is shorter.
    """
    digest, at = hashlib.sha256(), 0
    with segment.open("rb") as file:
        for mark in marks:
            while at < mark:
                count = min(mark - at, CHUNK_ROWS)
                data = bytearray(file.read(count * record_bytes))
                if len(data) < count * record_bytes:
                    raise OSError(f"{(mark - at) * record_bytes - len(data)} committed bytes are missing")
                for row in np.flatnonzero(gone[at : at + count]).tolist():
                    data[row * record_bytes : (row + 1) * record_bytes] = bytes(record_bytes)
                digest.update(data)
                at += count
            yield mark, digest


def erase(segment: Path, rows: NDArray[np.int64], heads: Iterable[Head], record_bytes: int) -> None:
    """Make rows of a file unreadable; `heads` are those that somebody committed of it.

    A head that does not have its hash now stays what it is: damaged.

    Raises:
        OSError: the disk is full or broken; what was begun is finished when the file is opened next.
    """
    known = ErasedRows.beside(segment)
    total = segment.stat().st_size // record_bytes
    gone_before = known.mask(total)
    gone = gone_before.copy()
    gone[rows] = True
    wanted = set(heads) | {(number, was) for number, all_was in known.before.items() for was in all_was}
    wanted |= set(known.heads.items())
    marks = sorted({number for number, _ in wanted if number <= total})
    hashed = zip(
        hash_rows(segment, marks, record_bytes, gone_before),
        hash_rows(segment, marks, record_bytes, gone),
        strict=True,
    )
    after: dict[int, str] = {}
    before: dict[int, tuple[str, ...]] = {}
    for (mark, old), (_, new) in hashed:
        was = old.hexdigest()
        sound = {sha256 for number, sha256 in wanted if number == mark and known.accepts((mark, sha256), was)}
        if sound:
            after[mark] = new.hexdigest()
            before[mark] = tuple(sorted(sound - {after[mark]}))
    _write_list(segment, ErasedRows(ranges=_ranges(gone), heads=after, before=before))
    overwrite(segment, gone, record_bytes)


def overwrite(segment: Path, gone: NDArray[np.bool_], record_bytes: int) -> None:
    """Put zeros where rows are gone, unless they are there; what is no whole record behind the last goes, too.

    Raises:
        OSError: the disk is broken, or the file must not be written.
    """
    zeros = bytes(record_bytes)
    with segment.open("r+b", buffering=0) as file:
        changed = False
        for row in np.flatnonzero(gone).tolist():
            file.seek(row * record_bytes)
            if file.read(record_bytes) != zeros:
                file.seek(row * record_bytes)
                _write(file, zeros)
                changed = True
        size = file.seek(0, os.SEEK_END)
        if size % record_bytes:
            file.seek(size - size % record_bytes)
            _write(file, bytes(size % record_bytes))
            changed = True
        if changed:
            sync_file(file.fileno())


def _write(file: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _write_list(segment: Path, erased: ErasedRows) -> None:
    path = list_of(segment)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb", buffering=0) as file:
        _write(file, json.dumps(erased.to_json()).encode("ascii"))
        sync_file(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def _ranges(gone: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Rows that are gone as ranges.

    >>> _ranges(np.array([True, False, True, True]))
    ((0, 1), (2, 4))
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8))).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))
