"""What each row in the past of the hippocampus was read from and when; so that it can be forgotten by that.

Shapes: L lanes, K rows that are remembered of each, R rows of a call.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from brain.memory.hippocampus.config import ORIGIN_PREFIX

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from brain.memory.selection import Selection

ROW_BYTES = 64  # bytes of a lane's past for each remembered row; usual rows are longer
BEGIN, STEP, SOURCE, RESET = range(4)
SOURCES = 256  # numbers of sources that are told apart once their rows have left; all above count as the last


class Run(NamedTuple):
    """Rows of a lane that follow on each other: where they begin and end, counted as the lane reads."""

    begin: int
    end: int


class Origin(NamedTuple):
    """What a byte was read from, by its number, and at which step."""

    source: int
    step: int


class Origins:
    """A ring of rows for each lane.

    Args:
        lanes: L.
        past: bytes that the hippocampus keeps of each.
    """

    def __init__(self, lanes: int, past: int) -> None:
        self._past = past
        self._rows = np.zeros((lanes, max(16, past // ROW_BYTES), 4), np.int64)
        self._count = np.zeros(lanes, np.int64)  # rows ever noted
        self._left = np.full(
            SOURCES, -1, np.int64
        )  # newest step of a row of each source that is noted no more

    def note(
        self,
        lane: NDArray[np.int64],
        begin: NDArray[np.int64],
        *,
        source: NDArray[np.int64],
        step: int,
        reset: NDArray[np.bool_],
    ) -> None:
        """Rows (R,) of different lanes, each with the position in its lane at which it begins."""
        place = self._count[lane] % self._rows.shape[1]
        gone = self._rows[lane, place][self._count[lane] >= self._rows.shape[1]]
        note_left(self._left, gone)
        self._rows[lane, place] = np.stack([begin, np.full(len(lane), step), source, reset], axis=1)
        self._count[lane] += 1

    def tensors(self) -> dict[str, Tensor]:
        """References to all it keeps, as `origin|<name>`."""
        kept = {"rows": self._rows, "count": self._count, "left": self._left}
        return {f"{ORIGIN_PREFIX}{name}": torch.from_numpy(table) for name, table in kept.items()}

    def runs(self, lane: int, read: int) -> list[Run]:
        """What a lane still holds after `read` bytes, cut where it jumped; the part without a note is one run."""
        oldest = max(0, read - self._past)
        rows = self._ordered(lane)
        cuts = {oldest, read} | {int(row[BEGIN]) for row in rows if row[RESET]}
        if len(rows):
            cuts.add(int(rows[0][BEGIN]))
        ordered = sorted(cut for cut in cuts if oldest <= cut <= read)
        return [Run(begin, end) for begin, end in itertools.pairwise(ordered)]

    def of(self, lane: int, position: int) -> Origin | None:
        """Of a byte, counted as the lane reads; None where that is not noted any more."""
        rows = self._ordered(lane)
        place = int(np.searchsorted(rows[:, BEGIN], position, side="right")) - 1
        return None if place < 0 else Origin(source=int(rows[place, SOURCE]), step=int(rows[place, STEP]))

    def meant(self, selection: Selection, lane: int, read: int) -> list[Run]:
        """What a lane still holds of what a selection means by source or step."""
        oldest = max(0, read - self._past)
        rows = self._ordered(lane)
        if not len(rows):
            return []
        ends = np.append(rows[1:, BEGIN], read)
        chosen = selection.dated(rows[:, STEP], rows[:, SOURCE]) & (ends > oldest)
        return [
            Run(max(oldest, int(begin)), int(end))
            for begin, end in zip(rows[chosen, BEGIN], ends[chosen], strict=True)
        ]

    def complete(self, selection: Selection, read: NDArray[np.int64]) -> bool:
        """Whether `meant` finds all that lanes ever read of a selection; `read` is the bytes read by each, (L,)."""
        left = np.arange(SOURCES)
        if bool((selection.dated(self._left, left) & (self._left >= 0)).any()):
            return False
        if any(span.index >= SOURCES for span in selection.sources) and self._left[-1] >= 0:
            return False
        for lane, bytes_read in enumerate(read.tolist()):
            rows = self._ordered(lane)
            first = int(rows[0][BEGIN]) if len(rows) else bytes_read
            noted_all = first == 0 or int(self._count[lane]) > len(rows)
            if not noted_all and self._may_precede(selection, rows):
                return False
            outside = rows[rows[:, BEGIN] < bytes_read - self._past]
            if bool(selection.dated(outside[:, STEP], outside[:, SOURCE]).any()):
                return False
        return True

    def clear(self) -> None:
        """Nothing is remembered any more."""
        self._rows[:], self._count[:], self._left[:] = 0, 0, -1

    def _ordered(self, lane: int) -> NDArray[np.int64]:
        """Rows of a lane that are still noted, oldest first, (K′, 4)."""
        count, room = int(self._count[lane]), self._rows.shape[1]
        if count <= room:
            return self._rows[lane, :count]
        return np.roll(self._rows[lane], -(count % room), axis=0)

    def _may_precede(self, selection: Selection, rows: NDArray[np.int64]) -> bool:
        """Whether what was read before the first row that is noted may be meant."""
        if selection.since is None:
            return True
        return not len(rows) or int(rows[0][STEP]) > selection.since


def note_left(left: NDArray[np.int64], gone: NDArray[np.int64]) -> None:
    """Keep in `left`, the newest step of each source, (256,), that rows (R, 4) are noted no more."""
    np.maximum.at(left, np.minimum(gone[:, SOURCE], SOURCES - 1), gone[:, STEP])
