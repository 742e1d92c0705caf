"""Forgetting on purpose: what a text left in the hippocampus is erased, bucket by bucket.

A bit history cannot be reduced by what one text added to it, so every bucket that a context of the text finds is
emptied, whatever else it knew. Contexts by what followed earlier cannot be found again from the text, so all of theirs
are. The text is blanked in the past, and no index points there any more. What stays are averages over all that was ever
read: what histories mean, gates, and what follows the last two bytes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from brain.jit import compile_all
from brain.memory.hippocampus import context_tables as tables
from brain.memory.hippocampus.compiled import SOURCES
from brain.memory.hippocampus.prefix import begin_byte, end_byte, find_buckets
from brain.memory.passages import merged, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from brain.memory.hippocampus.origins import Origins
    from brain.memory.selection import Selection

LEAD = 512  # bytes before a text that may begin the word that it continues
WORTH_COMPILING = 16_384  # bytes; what is shorter is through before the loop is compiled


@dataclass(frozen=True)
class Erased:
    """What was erased, or would be.

    Attributes:
        num_bytes: of the past that were blanked.
        num_buckets: that were emptied.
        emptied: all of it was given up, since nobody knows any more what of it was meant.
    """

    num_bytes: int = 0
    num_buckets: int = 0
    emptied: bool = False


def erase(
    kept: tables.Tables,
    lanes: tables.Lanes,
    origins: Origins,
    selection: Selection,
    *,
    empty: tables.Tables,
) -> Erased:
    """Forget a selection; each lane then continues as after a jump.

    Args:
        kept: all that is remembered; changed in place.
        lanes: those that are learned from; their past is that of the tables.
        origins: what their past was read from.
        selection: what to forget.
        empty: what the tables were when they knew nothing.
    """
    read = lanes.stand[:, tables.READ]
    by_text = bool(selection.text)
    if not by_text and not origins.complete(selection, read):
        erased = Erased(int(np.minimum(read, kept.past.shape[1]).sum()), _used(kept), emptied=True)
        for name in kept._fields:
            getattr(kept, name)[:] = getattr(empty, name)
        lanes.stand[:] = 0
        origins.clear()
        return erased
    used = _used(kept)
    blank = np.zeros(kept.past.shape, np.bool_)
    passages = [(np.frombuffer(selection.text, np.uint8), 0)] if by_text else []
    for lane in range(len(read)):
        for begin, end in _places(kept, origins, selection, lane, int(read[lane])):
            passages.append(_with_surroundings(kept, origins, lane, int(read[lane]), begin, end))
            blank[lane, np.arange(begin, end) % kept.past.shape[1]] = True
    _empty_buckets(kept, passages)
    if passages:
        kept.buckets[tables.num_direct(len(kept.buckets)) :] = 0
        kept.after_one[:], kept.after_two[:], kept.branches[:] = 0, 0, 0
    _blank_past(kept, blank)
    lanes.stand[:, tables.SINCE :] = 0
    return Erased(int(blank.sum()), used - _used(kept))


def _used(kept: tables.Tables) -> int:
    return int(np.count_nonzero(kept.buckets[:, 1]))


def _places(
    kept: tables.Tables, origins: Origins, selection: Selection, lane: int, read: int
) -> Iterator[tuple[int, int]]:
    """Where a lane still holds bytes of the selection, by its own count of bytes."""
    if not selection.text:
        runs = [(run.begin, run.end) for run in origins.meant(selection, lane, read)]
        jumps = {run.begin for run in origins.runs(lane, read)}
        for begin, end in merged(runs):
            cuts = [begin, *sorted(cut for cut in jumps if begin < cut < end), end]
            yield from itertools.pairwise(cuts)
        return
    for run in origins.runs(lane, read):
        data = _past_of(kept, lane, run.begin, run.end).tobytes()
        for begin, end in spans(data, selection.text):
            yield run.begin + begin, run.begin + end


def _past_of(kept: tables.Tables, lane: int, begin: int, end: int) -> NDArray[np.uint8]:
    past: NDArray[np.uint8] = kept.past[lane, np.arange(begin, end) % kept.past.shape[1]]
    return past


def _with_surroundings(
    kept: tables.Tables, origins: Origins, lane: int, read: int, begin: int, end: int
) -> tuple[NDArray[np.uint8], int]:
    """A text with what its first contexts look back on and what looks back on its last bytes; where erasing begins."""
    run = next(run for run in origins.runs(lane, read) if run.begin <= begin < run.end)
    first, last = max(run.begin, begin - LEAD), min(run.end, end + tables.PAST)
    return _past_of(kept, lane, first, last), begin - first


def _empty_buckets(kept: tables.Tables, passages: list[tuple[NDArray[np.uint8], int]]) -> None:
    num_bytes = sum(len(text) for text, _ in passages)
    empty_buckets = _compiled() if num_bytes >= WORTH_COMPILING else empty_buckets_of
    for text, begin in passages:
        lanes = tables.fresh_lanes(np.zeros((1, LEAD), np.uint8))
        empty_buckets(kept, lanes, tables.new_scratch(), np.ascontiguousarray(text), begin)


def empty_buckets_of(
    kept: tables.Tables, lanes: tables.Lanes, scratch: tables.Scratch, text: NDArray[np.uint8], begin: int
) -> None:
    """Empty each bucket that the text finds from its byte number `begin` on, read by a fresh lane."""
    for place in range(len(text)):
        byte = int(text[place])
        begin_byte(kept, lanes, scratch, 0)
        if place >= begin:
            for half in range(2):
                find_buckets(kept, scratch, 1 if half == 0 else 16 | byte >> 4, False)
                for context in range(tables.CONTEXTS):
                    bucket = int(scratch.bucket[context])
                    if bucket >= 0:
                        for node in range(tables.NODES):
                            kept.buckets[bucket, node] = 0
        end_byte(kept, lanes, scratch, 0, byte, False)


def _blank_past(kept: tables.Tables, blank: NDArray[np.bool_]) -> None:
    """Zeros in the past, and no way to find them or what followed on them."""
    kept.past[blank] = 0
    unreachable = blank.copy()
    for behind in range(1, tables.MATCHED + 1):
        unreachable |= np.roll(blank, behind, axis=1)
    heads = kept.heads
    heads[(heads > 0) & unreachable.reshape(-1)[np.maximum(heads, 1) - 1]] = 0


@cache
def _compiled() -> Callable[..., None]:
    """The loop as Numba compiles it, or as it stands where that is not to be had: it is slower, and as good."""
    small: Any = tables.empty_tables(lanes=1, buckets=16, past=16, heads=16)
    lanes, scratch = tables.fresh_lanes(np.zeros((1, LEAD), np.uint8)), tables.new_scratch()
    try:
        (compiled,) = compile_all(empty_buckets_of, sources=SOURCES, kept=True)
        compiled(small, lanes, scratch, np.zeros(1, np.uint8), 0)
    except Exception:  # noqa: BLE001 - no Numba, or whatever stands in its cache
        return empty_buckets_of
    return compiled
