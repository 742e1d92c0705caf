"""Where a passage stands: in a text, and in rows that borders cut it into.

Shapes: n rows of one call, T bytes of a row.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 8  # bytes of a passage that are taken for it where a border cuts the rest off
SHORTEST = 2  # bytes of a shorter piece, which the row behind the border has to prove

Border = tuple[int, int, int]  # source, offset in its document, place in the passage
IntArray = NDArray[np.int64]


class Rows(NamedTuple):
    """What is looked at: uint8 rows (n, T), zero behind `length`, and what is known of them, int64 (n,) each.

    Attributes:
        bytes: the rows.
        length: valid bytes.
        source: number of the source.
        offset: where in its document a row begins.
        step: when it was read.
    """

    bytes: NDArray[np.uint8]
    length: IntArray
    source: IntArray
    offset: IntArray
    step: IntArray

    def take(self, index: IntArray | slice) -> Rows:
        """Some of them."""
        return Rows(
            self.bytes[index], self.length[index], self.source[index], self.offset[index], self.step[index]
        )


def spans(data: bytes, text: bytes) -> list[tuple[int, int]]:
    """Where `data` holds `text`, whole or a piece that an end of `data` cuts off: begin and end of each, in order.

    >>> spans(b"so I said: open sesame, and", b"open sesame"), spans(b"n sesame, twice", b"open sesame")
    ([(11, 22)], [(0, 8)])
    """
    found = [(0, length) for _, length in _begun_within(data, text)]
    for begin in places(data, text[:PIECE]):
        end = min(begin + len(text), len(data))
        if data[begin:end] == text[: end - begin]:
            found.append((begin, end))
    return merged(found)


def merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch as one.

    >>> merged([(8, 12), (0, 3), (3, 5)])
    [(0, 5), (8, 12)]
    """
    whole: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((begin, end))
    return whole


def places(data: bytes, piece: bytes) -> Iterator[int]:
    """Every place at which `data` holds `piece`."""
    place = data.find(piece)
    while place >= 0:
        yield place
        place = data.find(piece, place + 1)


def _begun_within(data: bytes, text: bytes) -> Iterator[tuple[int, int]]:
    """Places in `text` where `data` may have been cut out of it or behind it, and bytes of `data` that are of it."""
    if len(data) < PIECE:
        return
    for place in places(text, data[:PIECE]):
        length = min(len(data), len(text) - place)
        if data[:length] == text[place : place + length]:
            yield place, length


class PassageSearch:
    """Finds the rows that hold a passage, a block of rows at a time; `keys` name them.

    A row is found by a piece of PIECE bytes. A shorter one counts where the row that follows in the same document,
    or came before, holds what the border cut off.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(text, np.uint8), PIECE)
        self._windows = np.unique(np.ascontiguousarray(windows).view(np.uint64)[:, 0])
        self._found: set[int] = set()
        self._ends: set[Border] = set()  # where a row ends within the passage
        self._begins: set[Border] = set()  # where one begins within it
        self._short_ends: dict[Border, list[int]] = defaultdict(list)
        self._short_begins: dict[Border, list[int]] = defaultdict(list)

    def look(self, keys: IntArray, rows: Rows) -> None:
        """Look at a block of rows; keys (n,)."""
        data, length = np.ascontiguousarray(rows.bytes), rows.length
        begins, ends = rows.offset, rows.offset + length
        for row in self._candidates(data, length):
            self._judge(
                int(keys[row]), data[row, : length[row]].tobytes(), int(rows.source[row]), int(begins[row])
            )
        for short in range(SHORTEST, min(PIECE, len(self._text))):
            for row in np.flatnonzero(_end_with(data, length, self._text[:short])).tolist():
                border = int(rows.source[row]), int(ends[row]), short
                self._short_ends[border].append(int(keys[row]))
            for row in np.flatnonzero(_begin_with(data, length, self._text[-short:])).tolist():
                border = int(rows.source[row]), int(begins[row]), len(self._text) - short
                self._short_begins[border].append(int(keys[row]))

    def found(self) -> IntArray:
        """Keys of the rows that hold any of it, ascending."""
        found = set(self._found)
        for border, keys in self._short_ends.items():
            if border in self._begins or border in self._short_begins:
                found.update(keys)
        for border, keys in self._short_begins.items():
            if border in self._ends or border in self._short_ends:
                found.update(keys)
        return np.array(sorted(found), np.int64)

    def _candidates(self, rows: NDArray[np.uint8], length: IntArray) -> list[int]:
        """Rows that hold the beginning of the passage, or begin with some of it."""
        width = rows.shape[1]
        if width < PIECE or not len(rows):
            return []
        begin = np.ascontiguousarray(rows[:, :PIECE]).view(np.uint64)[:, 0]
        found = set(np.flatnonzero(np.isin(begin, self._windows) & (length >= PIECE)).tolist())
        found.update(place // width for place in places(rows.tobytes(), self._text[:PIECE]))
        return sorted(found)

    def _judge(self, key: int, data: bytes, source: int, offset: int) -> None:
        text = self._text
        for place, length in _begun_within(data, text):
            self._found.add(key)
            self._begins.add((source, offset, place))
            if place + length < len(text):
                self._ends.add((source, offset + len(data), place + length))
        for begin in places(data, text[:PIECE]):
            end = min(begin + len(text), len(data))
            if data[begin:end] == text[: end - begin]:
                self._found.add(key)
                if end - begin < len(text):
                    self._ends.add((source, offset + len(data), end - begin))


def _begin_with(rows: NDArray[np.uint8], length: IntArray, piece: bytes) -> NDArray[np.bool_]:
    wanted = np.frombuffer(piece, np.uint8)
    if rows.shape[1] < len(wanted):
        return np.zeros(len(rows), np.bool_)
    fits: NDArray[np.bool_] = (rows[:, : len(wanted)] == wanted).all(axis=1) & (length >= len(wanted))
    return fits


def _end_with(rows: NDArray[np.uint8], length: IntArray, piece: bytes) -> NDArray[np.bool_]:
    wanted = np.frombuffer(piece, np.uint8)
    long_enough = length >= len(wanted)
    column = np.where(long_enough, length - len(wanted), 0)[:, None] + np.arange(len(wanted))
    fits: NDArray[np.bool_] = long_enough
    if rows.shape[1] >= len(wanted):
        fits = long_enough & (np.take_along_axis(rows, column, axis=1) == wanted).all(axis=1)
    return fits
