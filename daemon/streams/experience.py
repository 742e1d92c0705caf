"""What a stream yields: one segment of bytes for each lane asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Experience:
    """Segments for n lanes, T bytes each at most.

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
