"""Remembered examples in plain arrays: balanced by class, drawn by pre-drawn numbers.

Shapes: C capacity, I inputs, O outputs, n examples of a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from brain.memory.policies.policy import IntArray, SlotTable
from brain.memory.tiers.balanced import BalancedReservoir

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCK = 4096  # numbers drawn at once


class ExampleMemory:
    """Examples with their targets and the logits they were met with, in the slots of a balanced reservoir.

    While there is room every example is kept; then the reservoir chooses which is replaced. Real targets count as
    one class: then it is Vitter's reservoir.
    """

    def __init__(self, capacity: int, inputs: int, outputs: int, *, targets: Tensor, seed: int) -> None:
        self.capacity = capacity
        self.examples = torch.zeros(capacity, inputs)
        self.logits = torch.zeros(capacity, outputs)
        self.targets = targets.new_zeros((capacity, *targets.shape[1:]))
        self._table = SlotTable.empty(capacity)  # its `source` is the label
        self._reservoir = BalancedReservoir(self._table, capacity, np.random.SeedSequence(seed))
        self._draw = torch.Generator().manual_seed(seed)
        self._block, self._used = torch.zeros(BLOCK), BLOCK
        self._by_class: tuple[Tensor, Tensor] | None = None  # slots (classes, most) and lengths, until an add

    @property
    def num_items(self) -> int:
        """Examples kept, in slots 0 … `num_items` - 1."""
        return self._table.num_items

    def add(self, examples: Tensor, targets: Tensor, logits: Tensor) -> None:
        """Offer n examples (n, I) with targets (n,) or (n, O) and the logits (n, O) they were met with."""
        self._by_class = None
        slots = self._slots_for(_labels(targets))
        # Of two that took one slot in the same call the later stays.
        by_slot = {slot: row for row, slot in enumerate(slots.tolist()) if slot >= 0}
        if by_slot:
            at, rows = torch.tensor(list(by_slot)), torch.tensor(list(by_slot.values()))
            self.examples[at] = examples[rows]
            self.targets[at] = targets[rows]
            self.logits[at] = logits[rows]

    def _slots_for(self, labels: IntArray) -> IntArray:
        """Slot of each example of these labels (n,), or -1; the table has their labels then."""
        table, used = self._table, self._table.num_items
        free = min(len(labels), self.capacity - used)
        slots = np.arange(used, used + len(labels), dtype=np.int64)
        table.source[used : used + free] = labels[:free]
        table.num_items = used + free
        if free and table.num_items == self.capacity:
            self._reservoir.begin()
        if free < len(labels):
            slots[free:] = self._reservoir.offer(labels[free:])
            kept = slots >= 0
            table.source[slots[kept]] = labels[kept]
        return slots

    def sample(self, n: int) -> Tensor:
        """Slots of n examples (at most 4,096), uniform over what is kept, with replacement, (n,)."""
        if self._used + n > BLOCK:
            torch.rand(BLOCK, generator=self._draw, out=self._block)
            self._used = 0
        drawn = self._block[self._used : self._used + n]
        self._used += n
        return (drawn * self.num_items).long()

    def sample_balanced(self, n: int) -> Tensor:
        """Slots of n examples, each class with the same chance, (n,)."""
        if self._by_class is None:
            labels = self._table.source[: self.num_items]
            kept = [torch.from_numpy(np.flatnonzero(labels == label)) for label in np.unique(labels)]
            table = torch.nn.utils.rnn.pad_sequence(kept, batch_first=True)
            self._by_class = table, torch.tensor([len(slots) for slots in kept])
        table, lengths = self._by_class
        of = torch.randint(len(lengths), (n,), generator=self._draw)
        place = (torch.rand(n, generator=self._draw) * lengths[of]).long()
        return table[of, place]

    def tensors(self) -> dict[str, Tensor]:
        """Live tensors and the generator's state."""
        return {
            "examples": self.examples,
            "targets": self.targets,
            "logits": self.logits,
            "block": self._block,
            "generator": self._draw.get_state(),
        }

    def counters(self) -> dict[str, Any]:
        """JSON-able rest of the state."""
        return {"num_items": self.num_items, "used": self._used, "reservoir": self._reservoir.state()}

    def load(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        """Continue exactly where both were taken."""
        for name in ("examples", "targets", "logits"):
            getattr(self, name).copy_(tensors[name])
        self._block.copy_(tensors["block"])
        self._draw.set_state(tensors["generator"].clone())
        self._by_class = None
        used = self._table.num_items = int(counters["num_items"])
        self._used = int(counters["used"])
        self._table.source[:used] = _labels(self.targets[:used])
        self._reservoir.load(counters["reservoir"])
        if used and used == self.capacity:
            self._reservoir.begin()


def _labels(targets: Tensor) -> IntArray:
    """Class of each of n targets, (n,); real ones are of one class."""
    if targets.dim() == 1 and not targets.is_floating_point():
        return targets.numpy().astype(np.int64)
    return np.zeros(len(targets), np.int64)
