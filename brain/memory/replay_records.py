"""Records of the replay memory: how one lies on disk, and what is found of them there.

Shapes: n items of one call, T bytes of an item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from brain.memory.passages import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from brain.memory.segments import SegmentFile
    from brain.memory.selection import Selection

LOOK_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class ReplayRows:
    """Items drawn from the memory.

    Attributes:
        bytes: uint8 (n, T); zero behind `length`.
        length: int64 (n,), valid bytes.
        source: int64 (n,), index of the source it was read from.
        offset: int64 (n,), where in its document it began.
        index: int64 (n,), slot it was drawn from; what `update` wants.
        loss: float32 (n,), newest known loss in nats per byte.
        step: int64 (n,), step at which it was experienced.
    """

    bytes: NDArray[np.uint8]
    length: NDArray[np.int64]
    source: NDArray[np.int64]
    offset: NDArray[np.int64]
    index: NDArray[np.int64]
    loss: NDArray[np.float32]
    step: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Items that a selection means.

    Attributes:
        slots: int64 (n,), ascending.
        num_bytes: of text in them.
        first_step: at which the first of them was experienced; None without any.
    """

    slots: NDArray[np.int64]
    num_bytes: int = 0
    first_step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Records on disk that a selection means, drawn or not.

    Attributes:
        rows: of each segment, int64 places ascending.
        num_rows: of all.
        num_bytes: of text in them.
        first_step: at which the first of them was experienced; None without any.
    """

    rows: list[tuple[SegmentFile, NDArray[np.int64]]] = field(default_factory=list)
    num_rows: int = 0
    num_bytes: int = 0
    first_step: int | None = None


def look_through(
    files: Iterable[tuple[SegmentFile, int | None]],
    selection: Selection,
    record: np.dtype[np.void],
    *,
    before_step: int | None = None,
    heads: Mapping[tuple[str, int], int] | None = None,
) -> Recorded:
    """What a selection means of segments, each read whole or its first rows; see `ReplayMemory.recorded`.

    Raises:
        OSError: one cannot be read.
    """
    search, known, segments = selection.search(), [], []
    for number, (segment, most) in enumerate(files):
        segments.append(segment)
        count = segment.path.stat().st_size // record.itemsize
        count = count if most is None else min(count, most)
        with segment.path.open("rb") as file:
            for first in range(0, count, LOOK_ROWS):
                records = np.fromfile(file, record, min(LOOK_ROWS, count - first))
                meant = records["length"] > 0  # what is erased has none
                if before_step is not None:
                    head = (heads or {}).get((segment.path.parent.name, segment.number), 0)
                    meant &= (records["step"] < before_step) | (first + np.arange(len(records)) >= head)
                keys = (number << 32) + first + np.flatnonzero(meant)
                rows = columns_of(records[meant])
                search.look(keys, rows)
                known.append((keys, rows.length, rows.step))
    found = search.found()
    if not len(found):
        return Recorded()
    keys, length, step = (np.concatenate(column) for column in zip(*known, strict=True))
    at = np.searchsorted(keys, found)
    own = found >> 32
    return Recorded(
        rows=[(segments[one], found[own == one] & 0xFFFFFFFF) for one in np.unique(own).tolist()],
        num_rows=len(found),
        num_bytes=int(length[at].sum()),
        first_step=int(step[at].min()),
    )


def columns_of(rows: ReplayRows | NDArray[np.void]) -> Rows:
    """Rows as they are searched; of records or of drawn items."""
    if isinstance(rows, ReplayRows):
        return Rows(rows.bytes, rows.length, rows.source, rows.offset, rows.step)
    return Rows(
        np.ascontiguousarray(rows["bytes"]),
        *(rows[name].astype(np.int64) for name in ("length", "source", "offset", "step")),
    )


def record_type(item_bytes: int) -> np.dtype[np.void]:
    """One record on disk: packed, little-endian.

    >>> record_type(64).itemsize
    92
    """
    return np.dtype(
        [
            ("offset", "<i8"),
            ("step", "<i8"),
            ("length", "<i4"),
            ("source", "<i4"),
            ("loss", "<f4"),  # when it was experienced
            ("bytes", "u1", (item_bytes,)),
        ]
    )
