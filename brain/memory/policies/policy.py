"""What every replay policy can do, and the slot table it decides over.

Shapes: n items of one call, S slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass
class SlotTable:
    """What each slot holds; slots 0 … `num_items` - 1 are in use, the rest is unwritten.

    Attributes:
        row: int64 (S,), address of the item's record on disk.
        loss: float32 (S,), newest known loss of the item in nats per byte.
        source: int32 (S,), source the item was read from.
        num_items: slots in use.
    """

    row: NDArray[np.int64]
    loss: NDArray[np.float32]
    source: NDArray[np.int32]
    num_items: int = 0

    @classmethod
    def empty(cls, capacity: int) -> SlotTable:
        """A table of `capacity` free slots; its pages are touched only as they fill."""
        return cls(
            row=np.empty(capacity, np.int64),
            loss=np.empty(capacity, np.float32),
            source=np.empty(capacity, np.int32),
        )

    @property
    def capacity(self) -> int:
        """Slots, free ones included."""
        return len(self.row)


class ReplayPolicy(Protocol):
    """Decides which slot an item takes and which slots are drawn; built with (table, seed).

    All its draws come from a generator of its own, so `state` restores them exactly.
    """

    num_seen: int

    def place(self, *, source: IntArray, loss: FloatArray) -> IntArray:
        """Slot for each of n offered items, (n,); -1 declines one. A free slot is taken in order."""

    def draw(self, n: int) -> IntArray:
        """N slots in use, (n,), with replacement. Only called when there is at least one."""

    def update(self, slots: IntArray, loss: FloatArray) -> None:
        """Losses of drawn slots are known anew; the table holds them already."""

    def carry_over(self, before: SlotTable, state: Mapping[str, Any] | None) -> IntArray:
        """Slots of an earlier table that this one takes over, in their new order, (m,).

        They follow from the two alone, and are all when there is room. `load` came before.

        Args:
            before: the table at its commit.
            state: of this policy at that time; None when another one ruled.
        """

    def compact(self, kept: NDArray[np.bool_]) -> IntArray:
        """Slots in use that stay, of those marked (num_items,), in the order in which they lie from now on.

        `resized` is called once they do.
        """

    def resized(self) -> None:
        """The table was taken over, perhaps from a memory of another capacity."""

    def state(self) -> dict[str, Any]:
        """JSON-able: counts, generator, what is left of a pre-drawn block."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken."""
