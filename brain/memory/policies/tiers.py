"""Tiers: a recent ring, a reservoir balanced by source, and what is badly predicted, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brain.memory.policies import policies
from brain.memory.policies.draws import UniformBlocks
from brain.memory.tiers.balanced import BalancedReservoir
from brain.memory.tiers.priority import LossPriority
from brain.memory.tiers.recent import RecentRing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from brain.memory.policies.policy import FloatArray, IntArray, SlotTable

RING_SHARE = 0.1  # of the slots, and of the draws
PRIORITY_SHARE = 0.1  # of the draws, from all slots


@policies.register("tiers", builds="brain.memory.policies.tiers:Tiers")
class Tiers:
    """10 % recent ring, 80 % reservoir balanced by source or class, 10 % by loss.

    Slots 0 … S - 1 are the reservoir and, behind it, the ring. While the table fills nothing is given up:
    items lie in the order they came, the newest tenth is the ring. Once it is full a new item takes the place
    of the oldest of the ring, and that one is offered to the reservoir: an item is in one tier at a time, and
    moving it moves sixteen bytes, for its record stays where it is on disk.
    """

    def __init__(self, table: SlotTable, seed: int) -> None:
        self.num_seen = 0
        self._table = table
        choosing, recent, balanced, priority = np.random.SeedSequence(seed).spawn(4)
        ring_size = ring_of(table.capacity)
        self._choosing = UniformBlocks(choosing)
        self._recent = RecentRing(ring_size, recent)
        self._balanced = BalancedReservoir(table, table.capacity - ring_size, balanced)
        self._priority = LossPriority(table, priority)
        self._begun = False  # the reservoir decides from when the table is full

    def place(self, *, source: IntArray, loss: FloatArray) -> IntArray:
        """Slot for each offered item, (n,); -1 for one that later ones of the same call push out."""
        n = len(source)
        assert len(loss) == n
        self.num_seen += n
        used = self._table.num_items
        free = min(n, self._table.capacity - used)
        slots = np.arange(used, used + n, dtype=np.int64)
        if free < n:
            self._table.source[used:] = source[:free]  # not written yet, but the reservoir counts them
            slots[free:] = self._turn_ring(n - free)
        return slots

    def draw(self, n: int) -> IntArray:
        """N slots in use, each from a tier chosen by its share, (n,)."""
        used = self._table.num_items
        ring = min(self._recent.size, max(1, int(used * RING_SHARE)))
        choice = self._choosing.take(n)
        from_recent = choice < RING_SHARE
        from_priority = choice >= 1.0 - PRIORITY_SHARE
        if used == ring:  # a single item: there is nothing but the ring
            from_recent = ~from_priority
        slots = np.empty(n, np.int64)
        slots[from_recent] = self._recent.draw(int(from_recent.sum()), used - ring, used)
        slots[from_priority] = self._priority.draw(int(from_priority.sum()), 0, used)
        rest = ~(from_recent | from_priority)
        slots[rest] = self._balanced.draw(int(rest.sum()), 0, used - ring)
        return slots

    def update(self, slots: IntArray, loss: FloatArray) -> None:
        """The table holds the losses already; the next block of the priority tier looks at them."""

    def carry_over(self, before: SlotTable, state: Mapping[str, Any] | None) -> IntArray:
        """With less room: the newest items for the ring, and for the reservoir the others, evenly over sources."""
        items, capacity = before.num_items, self._table.capacity
        if state is not None and int(state["capacity"]) == capacity:
            return np.arange(items)
        order = _by_age(before, state)
        if items <= capacity:
            return order
        older, newest = np.split(order, [items - self._recent.size])
        kept = self._balanced.choose(before.source[older].astype(np.int64), self.num_seen)
        return np.concatenate([older[kept], newest])

    def compact(self, kept: NDArray[np.bool_]) -> IntArray:
        """By age, as while a table fills: the newest tenth of what is left is the ring."""
        order = _by_age(self._table, self.state())
        self._recent.straighten()
        self._balanced.refit()
        self._priority.forget_ahead()
        return order[kept[order]]

    def resized(self) -> None:
        """Begin again with the order the table has now; its last tenth counts as recent."""
        table = self._table
        self._begun = False
        if table.num_items < table.capacity:
            return
        self._begin()

    def state(self) -> dict[str, Any]:
        """Count, capacity, and what each tier remembers."""
        return {
            "num_seen": self.num_seen,
            "capacity": self._table.capacity,
            "choosing": self._choosing.state(),
            "recent": self._recent.state(),
            "balanced": self._balanced.state(),
            "priority": self._priority.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken; in a table of another size the ring begins at its oldest."""
        self.num_seen = int(state["num_seen"])
        self._choosing.load(state["choosing"])
        self._recent.load(state["recent"])
        self._balanced.load(state["balanced"])
        self._priority.load(state["priority"])
        self._begun = False
        if int(state["capacity"]) != self._table.capacity:
            self._recent.straighten()
            self._balanced.refit()
            self._priority.forget_ahead()

    def _turn_ring(self, n: int) -> IntArray:
        """Slots of the ring for n items; what lay there is offered to the reservoir first."""
        if not self._begun:
            self._begin()
        ring, base = self._recent.size, self._balanced.size
        slots = base + self._recent.turn(n)
        pushed_out = max(0, n - ring)
        old = slots[: min(n, ring)]
        self._move(old[old < self._table.num_items])
        slots[:pushed_out] = -1
        return slots

    def _move(self, old: IntArray) -> None:
        """Give old items of the ring what the reservoir grants them."""
        table = self._table
        row, loss, source = table.row[old], table.loss[old], table.source[old].astype(np.int64)
        slots = self._balanced.offer(source)
        kept = slots >= 0
        table.row[slots[kept]], table.loss[slots[kept]] = row[kept], loss[kept]
        table.source[slots[kept]] = source[kept]

    def _begin(self) -> None:
        self._begun = True
        if self._balanced.size:
            self._balanced.begin()


def ring_of(capacity: int) -> int:
    """Slots of the ring in a table of that size.

    >>> ring_of(1000), ring_of(3)
    (100, 1)
    """
    return max(1, int(capacity * RING_SHARE))


def _by_age(before: SlotTable, state: Mapping[str, Any] | None) -> IntArray:
    """Slots of a committed table; those that may be the ring of another table last, the newest behind the others."""
    if state is None:
        # Records lie on disk in the order they came.
        return np.argsort(before.row, kind="stable").astype(np.int64)
    items, capacity = before.num_items, int(state["capacity"])
    ring = ring_of(capacity)
    if items < capacity:
        return np.arange(items)
    turned = capacity - ring + (int(state["recent"]["head"]) + np.arange(ring)) % ring
    return np.concatenate([np.arange(capacity - ring), turned])
