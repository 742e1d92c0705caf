"""Segments of a source: contiguous parts of its documents, each with a head of its own, together all of it.

Bounds are named by document and offset, so they keep their meaning when files come and go.
"""

from __future__ import annotations

import bisect
from itertools import accumulate
from typing import TYPE_CHECKING

from daemon.streams.cursor import SegmentState

if TYPE_CHECKING:
    from daemon.streams.corpus import Corpus


def cut(corpus: Corpus, num_segments: int) -> tuple[SegmentState, ...]:
    """Segments of about equal size on disk, in order; a small source leaves some of them empty.

    A bound lies before a document, or in it where its corpus may be cut.
    """
    documents = corpus.listing.documents
    ends = list(accumulate(document.size for document in documents))
    total = ends[-1] if ends else 0
    bounds: list[tuple[str, int]] = []
    for number in range(num_segments if total else 0):
        mark = total * number // num_segments
        place = bisect.bisect_right(ends, mark)
        document = documents[place]
        within = mark - (ends[place] - document.size)
        bounds.append((document.name, corpus.bound(document, within)))
    segments: list[SegmentState] = []
    for number, bound in enumerate(bounds):
        last = number + 1 == num_segments
        end, end_offset = bounds[number + 1] if not last else (None, 0)
        begin, offset = (None, 0) if bound == (end, end_offset) else bound
        segments.append(SegmentState(begin, offset, end, end_offset))
    return tuple(segments) or (SegmentState(),) * num_segments
