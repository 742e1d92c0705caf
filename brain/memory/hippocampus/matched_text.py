"""The text that a match points at: what a lane read then, as far as its ring still holds it, up to where it jumped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brain.memory.hippocampus.context_tables import LENGTH, MATCH, READ
from brain.memory.ports import Passage

if TYPE_CHECKING:
    from brain.memory.hippocampus.context_tables import Lanes
    from brain.memory.hippocampus.origins import Origins

AROUND = 64  # bytes shown before the match, and behind it


def matched_passage(memory: Lanes, origins: Origins, reader: Lanes, row: int) -> Passage | None:
    """What the match of a reader's row points at; None without a match.

    Args:
        memory: its lanes, whose rings hold the text.
        origins: of what stands in them.
        reader: those that read, each with its match.
        row: of the reader.
    """
    found, length = int(reader.stand[row, MATCH]) - 1, int(reader.stand[row, LENGTH])
    if length == 0:
        return None
    size = memory.past.shape[1]
    lane, place = divmod(found, size)
    read = int(memory.stand[lane, READ])
    behind = (read - place) % size  # bytes that the lane has read from there on
    end = read - behind  # of the match, counted as the lane reads
    length = min(length, min(read, size) - behind)
    text = next((run for run in origins.runs(lane, read) if run.begin < end <= run.end), None)
    begins, ends = (end, end) if text is None else (text.begin, text.end)

    def part(first: int, last: int) -> bytes:
        return bytes(memory.past[lane, np.arange(first, last) % size].tolist())

    origin = origins.of(lane, end - 1)
    return Passage(
        length=length,
        before=part(max(begins, end - length - AROUND), end - length),
        matched=part(end - length, end),
        after=part(end, min(ends, end + AROUND)),
        bytes_ago=behind,
        source=None if origin is None else origin.source,
        step=None if origin is None else origin.step,
    )
