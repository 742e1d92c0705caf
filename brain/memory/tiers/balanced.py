"""The balanced reservoir: every source gets the same room, whatever its share of the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brain.memory.policies.algorithm_r import even_share, places
from brain.memory.policies.draws import UniformBlocks
from brain.memory.tiers.draws_ahead import WeightedBlocks, Weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.memory.policies.policy import IntArray, SlotTable

SEARCH = 4  # candidates looked at at once, for each that is wanted and each source there is


class BalancedReservoir:
    """Class-balancing reservoir over slots 0 … size - 1; the source of an item is its class.

    Drawn evenly over sources, then evenly over the items of a source, but none above ten times uniform.
    A source that has been the largest counts as full: its items are a reservoir, by algorithm R, of what it ever
    offered. An item of any other source takes the place of one of the largest. A source of which nothing is left
    is not full.

    Source: Chrysakis and Moens 2020, "Online continual learning from imbalanced data", algorithm 1.
    """

    def __init__(self, table: SlotTable, size: int, seed: np.random.SeedSequence) -> None:
        self.size = size
        self._table = table
        placing, drawing = seed.spawn(2)
        self._placing = UniformBlocks(placing)
        self._blocks = WeightedBlocks(self._weigh, drawing)
        self._counts: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._full: set[int] = set()

    def begin(self) -> None:
        """All slots are in use now: count them."""
        sources, counts = np.unique(self._table.source[: self.size], return_counts=True)
        self._counts = dict(zip(sources.tolist(), counts.tolist(), strict=True))
        for source, count in self._counts.items():
            self._seen[source] = max(self._seen.get(source, 0), count)
        self._mark_largest()

    def offer(self, sources: IntArray) -> IntArray:
        """Slot for each item of these sources (n,), or -1; only of a reservoir that has begun."""
        slots = np.full(len(sources), -1, np.int64)
        if not self.size:
            return slots
        for source in np.unique(sources).tolist():
            offered = np.flatnonzero(sources == source)
            seen = self._seen.get(source, 0)
            self._seen[source] = seen + len(offered)
            if source not in self._counts:
                self._full.discard(source)
            if source not in self._full:
                taken = self._take_from_largest(source, len(offered))
                slots[np.isin(slots, taken)] = -1  # granted just now to an item of the source that gave it up
                slots[offered[: len(taken)]] = taken
                offered, seen = offered[len(taken) :], seen + len(taken)
            if len(offered):
                drawn = self._placing.take(len(offered))
                # Where the items of a source lie is searched for, so the place itself is drawn again.
                kept = offered[places(drawn, seen, self._counts[source]) >= 0]
                slots[kept] = self._slots_of(source, len(kept))
        return slots

    def draw(self, n: int, first: int, end: int) -> IntArray:
        """N slots, evenly over sources, with replacement, (n,)."""
        return self._blocks.draw(n, first, end)

    def refit(self) -> None:
        """The table has another size now: nothing drawn ahead counts, and who is full shows when it is."""
        self._blocks.forget_ahead()
        self._full.clear()

    def choose(self, sources: IntArray, seed: int) -> IntArray:
        """Indices, sorted, of those items of these sources (n,) that it takes over when it has less room."""
        return even_share(sources, self.size, seed)

    def state(self) -> dict[str, Any]:
        """What each source has offered, which are full, and both generators."""
        return {
            "seen": [[source, self._seen[source]] for source in sorted(self._seen)],
            "full": sorted(self._full),
            "placing": self._placing.state(),
            "drawing": self._blocks.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken; `begin` follows once the table is there, if it is full."""
        self._seen = {int(source): int(seen) for source, seen in state["seen"]}
        self._full = {int(source) for source in state["full"]}
        self._placing.load(state["placing"])
        self._blocks.load(state["drawing"])

    def _take_from_largest(self, source: int, n: int) -> IntArray:
        """Slots of the largest sources for up to n items of a smaller one; fewer once it is full itself."""
        taken: list[IntArray] = []
        while n > 0 and source not in self._full:
            largest = self._largest()
            own = self._counts.get(source, 0)
            # As many as keep it the largest; then the next largest gives.
            count = max(1, min(n, (self._counts[largest] - own) // 2))
            slots = np.unique(self._slots_of(largest, count))
            self._table.source[slots] = source  # so that none of them is found again
            self._counts[largest] -= len(slots)
            if not self._counts[largest]:
                del self._counts[largest]
            self._counts[source] = own + len(slots)
            taken.append(slots)
            n -= len(slots)
            self._mark_largest()
        return np.concatenate(taken) if taken else np.empty(0, np.int64)

    def _slots_of(self, source: int, n: int) -> IntArray:
        """N slots that hold the source, uniformly with replacement, (n,)."""
        found = np.empty(0, np.int64)
        while len(found) < n:
            drawn = self._placing.take(SEARCH * (n - len(found)) * max(len(self._counts), 1))
            slots = (drawn * self.size).astype(np.int64)
            found = np.concatenate([found, slots[self._table.source[slots] == source]])
        return found[:n]

    def _largest(self) -> int:
        return max(self._counts, key=lambda source: (self._counts[source], -source))

    def _mark_largest(self) -> None:
        if self._counts:
            self._full.add(self._largest())

    def _weigh(self, first: int, end: int) -> Weights:
        _, place, counts = np.unique(self._table.source[first:end], return_inverse=True, return_counts=True)
        weights: Weights = 1.0 / counts[place]
        return weights
