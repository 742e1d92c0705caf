"""Reservoir: after any number of items, each of them is kept with the same probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brain.memory.policies import policies
from brain.memory.policies.algorithm_r import even_share, places
from brain.memory.policies.draws import UniformBlocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from brain.memory.policies.policy import FloatArray, IntArray, SlotTable


@policies.register("reservoir", builds="brain.memory.policies.reservoir:Reservoir")
class Reservoir:
    """A uniform sample of everything ever seen, drawn uniformly.

    Item number i (from 0) takes slot i while there is room; afterwards a slot j drawn from 0 … i, if j is
    a slot at all. Of a memory taken over with more room than before, the free slots are filled first.

    It is algorithm R over all items; that of the tiers is the same over each source.
    """

    def __init__(self, table: SlotTable, seed: int) -> None:
        self.num_seen = 0
        self._table = table
        placing, drawing = np.random.SeedSequence(seed).spawn(2)
        self._placing = UniformBlocks(placing)
        self._drawing = UniformBlocks(drawing)

    def place(self, *, source: IntArray, loss: FloatArray) -> IntArray:
        """Slot for each offered item, (n,), -1 for those passed over."""
        n = len(source)
        assert len(loss) == n
        free = min(n, self._table.capacity - self._table.num_items)
        slots = np.empty(n, np.int64)
        if free:
            slots[:free] = np.arange(self._table.num_items, self._table.num_items + free)
        if free < n:
            drawn = self._placing.take(n - free)
            slots[free:] = places(drawn, self.num_seen + free, self._table.capacity)
        self.num_seen += n
        return slots

    def draw(self, n: int) -> IntArray:
        """N slots in use, uniformly with replacement, (n,)."""
        return (self._drawing.take(n) * self._table.num_items).astype(np.int64)

    def update(self, slots: IntArray, loss: FloatArray) -> None:
        """A reservoir does not look at losses."""

    def carry_over(self, before: SlotTable, state: Mapping[str, Any] | None) -> IntArray:
        """An even share of the items, whatever their source."""
        del state
        return even_share(np.zeros(before.num_items, np.int64), self._table.capacity, self.num_seen)

    def compact(self, kept: NDArray[np.bool_]) -> IntArray:
        """As they lay; what becomes free is filled first."""
        return np.flatnonzero(kept)

    def resized(self) -> None:
        """Free slots are filled in order; nothing else depends on the capacity."""

    def state(self) -> dict[str, Any]:
        """Count and both rows of random numbers."""
        return {"num_seen": self.num_seen, "placing": self._placing.state(), "drawing": self._drawing.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken."""
        self.num_seen = int(state["num_seen"])
        self._placing.load(state["placing"])
        self._drawing.load(state["drawing"])
