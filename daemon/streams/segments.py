"""Segments of a source: contiguous parts of its documents, each with a head of its own, together all of it.

Bounds are named by document and offset, so they keep their meaning when files come and go.
"""

from __future__ import annotations

import bisect
from itertools import accumulate
from typing import TYPE_CHECKING

from daemon.streams.cursor import SegmentState
from daemon.streams.holdout import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.streams.sources import Document

WHOLE_DOCUMENT_BYTES = 64 << 10  # a document of at most this size is not cut through


def cut(documents: Sequence[Document], num_segments: int) -> tuple[SegmentState, ...]:
    """Segments of about equal size on disk, in order; a small source leaves some of them empty.

    A bound lies before a document or, in a long one, at the end of a block.
    """
    ends = list(accumulate(document.size for document in documents))
    total = ends[-1] if ends else 0
    bounds: list[tuple[str, int]] = []
    for number in range(num_segments if total else 0):
        mark = total * number // num_segments
        place = bisect.bisect_right(ends, mark)
        document = documents[place]
        within = mark - (ends[place] - document.size)
        whole = document.size <= WHOLE_DOCUMENT_BYTES
        bounds.append((document.name, 0 if whole else within // BLOCK_BYTES * BLOCK_BYTES))
    segments: list[SegmentState] = []
    for number, bound in enumerate(bounds):
        last = number + 1 == num_segments
        end, end_offset = bounds[number + 1] if not last else (None, 0)
        begin, offset = (None, 0) if bound == (end, end_offset) else bound
        segments.append(SegmentState(begin, offset, end, end_offset))
    return tuple(segments) or (SegmentState(),) * num_segments
