"""The hold-out: which 4 KiB blocks of a document are never learned from, decided by position alone.

Of every 100 consecutive blocks of a document a hash of (document name, group) picks one (at a share of 1 %):
the choice needs no reading, stays when a file grows or moves, and is counted in O(1) a document.
"""

from __future__ import annotations

import bisect
import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from daemon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCK_BYTES = 4096
_SALT = b"synapsed hold-out 1"
_USUAL_GROUP = 100


@dataclass(frozen=True)
class HoldOut:
    """The split for one share: `picks` of every `group` consecutive blocks are held out; none at share 0.

    >>> HoldOut.of(0.01), HoldOut.of(0.001), HoldOut.of(0.25)
    (HoldOut(group=100, picks=1), HoldOut(group=1000, picks=1), HoldOut(group=100, picks=25))
    """

    group: int
    picks: int

    @classmethod
    def of(cls, share: float) -> HoldOut:
        """The split nearest to a share of blocks.

        Raises:
            ConfigError: the share is not within 0 … 0.5.
        """
        if not (math.isfinite(share) and 0 <= share <= 0.5):
            raise ConfigError(
                f"stream.held_out_share is {share}; it must be between 0 and 0.5 (0.01 holds out 1 %)"
            )
        if share == 0:
            return cls(_USUAL_GROUP, 0)
        if share < 1 / _USUAL_GROUP:
            return cls(round(1 / share), 1)
        return cls(_USUAL_GROUP, round(share * _USUAL_GROUP))

    def picked(self, document: str, group: int) -> tuple[int, ...]:
        """Blocks of one group that are held out, ascending, counted from the document's beginning."""
        return tuple(group * self.group + place for place in _picks(document, group, self.group, self.picks))

    def holds(self, document: str, block: int) -> bool:
        """Whether a block is held out."""
        return bool(self.picks) and block in self.picked(document, block // self.group)

    def holds_record(self, document: str, start: int) -> bool:
        """Whether the record that begins at byte `start` is held out: as many of a hundred, but each by itself."""
        if not self.picks:
            return False
        key = _SALT + document.encode("utf-8", "surrogateescape") + b"\0record " + str(start).encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % self.group < self.picks

    def run(self, document: str, offset: int, size: int, longest: int) -> tuple[int, int]:
        """The first run of bytes at or behind `offset` that may be learned: (begin, end), at most `longest`.

        It ends at the end of a block or of the document (`size` bytes); (size, size) when nothing is left.
        """
        begin = offset
        while begin < size and self.holds(document, begin // BLOCK_BYTES):
            begin = (begin // BLOCK_BYTES + 1) * BLOCK_BYTES
        if begin >= size:
            return size, size
        end = (begin // BLOCK_BYTES + 1) * BLOCK_BYTES
        while end < size and end - begin < longest and not self.holds(document, end // BLOCK_BYTES):
            end += BLOCK_BYTES
        return begin, min(end, size)

    def count(self, document: str, size: int) -> int:
        """Held-out blocks of a document of `size` bytes."""
        full, rest = divmod(-(-size // BLOCK_BYTES), self.group)
        if not (rest and self.picks):
            return full * self.picks
        return full * self.picks + sum(block * BLOCK_BYTES < size for block in self.picked(document, full))

    def block(self, document: str, index: int) -> int:
        """Number of the index-th held-out block of a document."""
        group, place = divmod(index, self.picks)
        return self.picked(document, group)[place]


@lru_cache(maxsize=4096)
def _picks(document: str, group: int, size: int, picks: int) -> tuple[int, ...]:
    """`picks` distinct places of 0 … size - 1, ascending, by hash."""
    key = _SALT + document.encode("utf-8", "surrogateescape") + b"\0" + str(group).encode()
    digest = hashlib.blake2b(key, digest_size=16).digest()
    if picks == 1:
        return (int.from_bytes(digest, "big") % size,)
    # Rank all places by a hash of their own: any number of picks, each place equally likely.
    ranked = sorted(
        range(size), key=lambda place: hashlib.blake2b(digest + str(place).encode(), digest_size=8).digest()
    )
    return tuple(sorted(ranked[:picks]))


@dataclass(frozen=True)
class HeldDocument:
    """A document with held-out blocks: its name and readable bytes."""

    name: str
    size: int


class HeldOutSet:
    """The held-out blocks of a source as it was listed; block i is found in O(log documents).

    Sets with the same `fingerprint` are of the same files.
    """

    def __init__(
        self,
        split: HoldOut,
        documents: Sequence[HeldDocument],
        read: Callable[[str, int, int], bytes],
        *,
        fingerprint: str,
    ) -> None:
        self.fingerprint = fingerprint
        self._split = split
        self._read = read
        self._documents: list[HeldDocument] = []
        self._first: list[int] = []  # index of each document's first block
        self.num_blocks = 0
        for document in documents:
            if count := split.count(document.name, document.size):
                self._documents.append(document)
                self._first.append(self.num_blocks)
                self.num_blocks += count

    def __len__(self) -> int:
        return self.num_blocks

    def place(self, index: int) -> tuple[str, int]:
        """Document of block `index` and its offset there.

        Raises:
            IndexError: no such block.
        """
        document, offset = self._find(index)
        return document.name, offset

    def read(self, index: int) -> tuple[bytes, str, int]:
        """Block `index`: its bytes (4,096, fewer at a document's end), document and offset there.

        The bytes are empty when the file has gone or shrunk since.

        Raises:
            IndexError: no such block.
        """
        document, offset = self._find(index)
        data = self._read(document.name, offset, min(BLOCK_BYTES, document.size - offset))
        return data, document.name, offset

    def _find(self, index: int) -> tuple[HeldDocument, int]:
        if not 0 <= index < self.num_blocks:
            raise IndexError(f"held-out block {index} of {self.num_blocks}")
        place = bisect.bisect_right(self._first, index) - 1
        document = self._documents[place]
        return document, self._split.block(document.name, index - self._first[place]) * BLOCK_BYTES
