"""What a stream yields: one segment of bytes for each lane asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Row(NamedTuple):
    """What one lane reads next."""

    lane: int
    data: bytes
    source: int
    document: str
    offset: int
    reset: bool


@dataclass(frozen=True, kw_only=True)
class Experience:
    """Segments for n lanes, T bytes each at most; n is 0 while nothing is there to read.

    Attributes:
        bytes: uint8 (n, T), zero behind `length`.
        length: int64 (n,), valid bytes, at least 1; below T only where a document, an extent or the text
            before a held-out block ends, and the lane's next row is then reset.
        lane: int64 (n,), the lane each row continues.
        reset: bool (n,), True where the row does not follow on the lane's last one.
        source: int64 (n,), index into the stream's sources.
        offset: int64 (n,), where in its document the row begins.
        document: name of each row's document within its source.
    """

    bytes: NDArray[np.uint8]
    length: NDArray[np.int64]
    lane: NDArray[np.int64]
    reset: NDArray[np.bool_]
    source: NDArray[np.int64]
    offset: NDArray[np.int64]
    document: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row], width: int) -> Self:
        """Rows of up to `width` bytes side by side."""
        data = bytearray(len(rows) * width)
        for place, row in enumerate(rows):
            data[place * width : place * width + len(row.data)] = row.data
        return cls(
            bytes=np.frombuffer(data, np.uint8).reshape(len(rows), width),
            length=np.array([len(row.data) for row in rows], np.int64),
            lane=np.array([row.lane for row in rows], np.int64),
            reset=np.array([row.reset for row in rows], np.bool_),
            source=np.array([row.source for row in rows], np.int64),
            offset=np.array([row.offset for row in rows], np.int64),
            document=tuple(row.document for row in rows),
        )
