"""Replay of plain rows in memory, for learners that draw hundreds of thousands of batches a second.

Shapes: C capacity, T bytes of a row, K rows of a batch, G batches drawn ahead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.uint8]
Slots = NDArray[np.int64]

MOST_TIMES_UNIFORM = 10.0


class RowReplay:
    """A ring of the newest rows, drawn uniformly or by priority, G batches at a time.

    Drawing, weighing and gathering one batch costs mostly calls, so G are drawn and gathered at once and
    handed out one by one; new rows wait beside the ring until the next block. So a row can be drawn at most G
    batches after it came, and a priority counts from the next block on.

    Args:
        capacity: rows kept.
        row_bytes: T.
        batch_size: K.
        prioritised: draw by priority, none above 10 × uniform; a new row has the highest so far.
        ahead: G.
        seed: of its own generator.
    """

    def __init__(
        self,
        *,
        capacity: int,
        row_bytes: int,
        batch_size: int,
        prioritised: bool = False,
        ahead: int = 64,
        seed: int = 0,
    ) -> None:
        if capacity < ahead or batch_size < 1:
            raise ValueError(f"capacity = {capacity} must be at least ahead = {ahead}, batch_size at least 1")
        self.capacity, self.num_items = capacity, 0
        self._rows = np.zeros((capacity, row_bytes), np.uint8)
        self._priority = np.ones(capacity, np.float32) if prioritised else None
        self._highest = 1.0
        self._next = 0  # slot that the ring writes next
        self._waiting, self._num_waiting = np.zeros((ahead, row_bytes), np.uint8), 0
        self._draw = np.random.Generator(np.random.PCG64(seed))
        self._slots = np.zeros((ahead, batch_size), np.int64)
        self._block = np.zeros((ahead, batch_size, row_bytes), np.uint8)
        self._handed, self._ahead = ahead, ahead

    def add(self, row: Rows) -> None:
        """Remember a row (T,)."""
        if self._num_waiting == self._ahead:
            self._take_in()
        self._waiting[self._num_waiting] = row
        self._num_waiting += 1

    def sample(self) -> tuple[Rows, Slots]:
        """A batch (K, T) and its slots (K,); both are good until G more batches were drawn.

        Raises:
            ValueError: when nothing has been added yet.
        """
        if self._handed == self._ahead:
            self._take_in()
            self._draw_block()
        at = self._handed
        self._handed = at + 1
        return self._block[at], self._slots[at]

    def update(self, slots: Slots, priority: NDArray[np.float32]) -> None:
        """Newly known priorities (K,), not negative, of sampled slots."""
        assert self._priority is not None, "this replay draws uniformly"
        self._priority[slots] = priority

    def _take_in(self) -> None:
        count, begin = self._num_waiting, self._next
        first = min(count, self.capacity - begin)
        self._rows[begin : begin + first] = self._waiting[:first]
        self._rows[: count - first] = self._waiting[first:count]
        if self._priority is not None and count:
            self._highest = max(self._highest, float(self._priority[: self.num_items].max(initial=0.0)))
            self._priority[begin : begin + first] = self._highest
            self._priority[: count - first] = self._highest
        self._next = (begin + count) % self.capacity
        self.num_items = min(self.capacity, self.num_items + count)
        self._num_waiting = 0

    def _draw_block(self) -> None:
        if not self.num_items:
            raise ValueError("nothing to sample yet; add a row first")
        flat = self._slots.reshape(-1)
        if self._priority is None:
            flat[:] = self._draw.integers(self.num_items, size=len(flat))
        else:
            weights = self._priority[: self.num_items]
            # Cut at 9 × the mean; what is cut off, at most 1 × the mean each, is spread evenly.
            mean = float(weights.mean(dtype=np.float64)) or 1.0
            weights = np.minimum(weights, (MOST_TIMES_UNIFORM - 1.0) * mean)
            weights += mean - weights.mean(dtype=np.float64)
            sums = np.cumsum(weights, dtype=np.float64)
            # Sorted draws walk the sums in one direction; a shuffle then gives each batch its share of all.
            drawn = np.sort(self._draw.random(len(flat))) * sums[-1]
            flat[:] = np.minimum(np.searchsorted(sums, drawn, side="right"), self.num_items - 1)
            self._draw.shuffle(flat)
        np.take(self._rows, flat, axis=0, out=self._block.reshape(len(flat), -1), mode="clip")
        self._handed = 0
