"""The text that a match points at: what a lane read then, as far as its ring still holds it, up to where it jumped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brain.memory.hippocampus.context_tables import LENGTH, MATCH, READ
from brain.memory.ports import Passage

if TYPE_CHECKING:
    from brain.memory.hippocampus.context_tables import Lanes
    from brain.memory.hippocampus.origins import Origins

AROUND = (
    64  # bytes shown before the match, and behind it; more, up to twice as many, until a word begins or ends
)
SPACES = (b" ", b"\t", b"\r", b"\n")


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

    start = end - length
    origin = origins.of(lane, end - 1)
    return Passage(
        length=length,
        before=_from_word(part(max(begins, start - 2 * AROUND), start)),
        matched=part(start, end),
        after=_to_word(part(end, min(ends, end + 2 * AROUND))),
        bytes_ago=behind,
        source=None if origin is None else origin.source,
        step=None if origin is None else origin.step,
    )


def _from_word(text: bytes) -> bytes:
    """The last bytes of a text from where a word begins, unless that is too far.

    >>> _from_word(b"the numbers 0341 480" + b"." * 60)[:5]
    b'0341 '
    """
    if len(text) <= AROUND:
        return text
    cut = len(text) - AROUND
    begin = max(text.rfind(space, 0, cut) for space in SPACES) + 1
    return text[begin:] if begin or len(text) < 2 * AROUND else text[cut:]


def _to_word(text: bytes) -> bytes:
    """The first bytes of a text up to where a word ends, unless that is too far.

    >>> _to_word(b"." * 60 + b" 0341 480")[-5:]
    b' 0341'
    """
    ends = [place for space in SPACES if (place := text.find(space, AROUND)) >= 0]
    if ends:
        return text[: min(ends)]
    return text if len(text) < 2 * AROUND else text[:AROUND]
