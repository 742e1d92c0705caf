"""Remembered examples in plain arrays: balanced by class, drawn by pre-drawn numbers.

Shapes: C capacity, I inputs, O outputs, n examples of a call.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCK = 4096  # numbers drawn at once


class ExampleMemory:
    """A class-balanced reservoir: what is full of many classes gives way only to the rare, chosen at random.

    While there is room every example is kept. Then an example of a class that has fewer than the largest
    class takes the slot of a random one of the largest; an example of (one of) the largest takes the slot of
    a random one of its own class, with the chance (kept of it) / (seen of it), so each class stays a uniform
    sample of its own past. Real targets count as one class: then it is Vitter's reservoir.

    Source: Chrysakis & Moens 2020, "Online continual learning from imbalanced data", CBRS.
    """

    def __init__(self, capacity: int, inputs: int, outputs: int, *, targets: Tensor, seed: int) -> None:
        self.capacity = capacity
        self.examples = torch.zeros(capacity, inputs)
        self.logits = torch.zeros(capacity, outputs)
        self.targets = targets.new_zeros((capacity, *targets.shape[1:]))
        self.num_items = 0
        self._slots: dict[int, list[int]] = {}
        self._seen: dict[int, int] = {}
        self._place = random.Random(seed)  # noqa: S311 - not for secrets
        self._draw = torch.Generator().manual_seed(seed)
        self._block, self._used = torch.zeros(BLOCK), BLOCK
        self._by_class: tuple[Tensor, Tensor] | None = None  # slots (classes, most) and lengths, until an add

    def add(self, examples: Tensor, targets: Tensor, logits: Tensor) -> None:
        """Offer n examples (n, I) with targets (n,) or (n, O) and the logits (n, O) they were met with."""
        self._by_class = None
        labels = (
            targets.tolist() if targets.dim() == 1 and not targets.is_floating_point() else [0] * len(targets)
        )
        taken = [(row, slot) for row, label in enumerate(labels) if (slot := self._slot_for(label)) >= 0]
        # Of two that took one slot in the same call the later stays.
        by_slot = {slot: row for row, slot in taken}
        if by_slot:
            slots, rows = torch.tensor(list(by_slot)), torch.tensor(list(by_slot.values()))
            self.examples[slots] = examples[rows]
            self.targets[slots] = targets[rows]
            self.logits[slots] = logits[rows]

    def _slot_for(self, label: int) -> int:
        seen = self._seen[label] = self._seen.get(label, 0) + 1
        own = self._slots.setdefault(label, [])
        if self.num_items < self.capacity:
            slot = self.num_items
            self.num_items += 1
        else:
            largest = max(map(len, self._slots.values()))
            if len(own) == largest:
                place = int(self._place.random() * seen)
                return own[place] if place < len(own) else -1
            fullest = [slots for slots in self._slots.values() if len(slots) == largest]
            victim = fullest[int(self._place.random() * len(fullest))]
            place = int(self._place.random() * len(victim))
            victim[place], victim[-1] = victim[-1], victim[place]
            slot = victim.pop()
        own.append(slot)
        return slot

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
            kept = [torch.tensor(slots) for slots in self._slots.values() if slots]
            table = torch.nn.utils.rnn.pad_sequence(kept, batch_first=True)
            self._by_class = table, torch.tensor([len(slots) for slots in kept])
        table, lengths = self._by_class
        of = torch.randint(len(lengths), (n,), generator=self._draw)
        place = (torch.rand(n, generator=self._draw) * lengths[of]).long()
        return table[of, place]

    def classes(self) -> list[int]:
        """Labels seen so far, sorted."""
        return sorted(self._seen)

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
        version, numbers, gauss = self._place.getstate()
        return {
            "num_items": self.num_items,
            "used": self._used,
            "slots": [[label, slots] for label, slots in self._slots.items()],
            "seen": [[label, seen] for label, seen in self._seen.items()],
            "place": [version, list(numbers), gauss],
        }

    def load(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        """Go on exactly where both were taken."""
        for name in ("examples", "targets", "logits"):
            getattr(self, name).copy_(tensors[name])
        self._block.copy_(tensors["block"])
        self._draw.set_state(tensors["generator"].clone())
        self._by_class = None
        self.num_items, self._used = int(counters["num_items"]), int(counters["used"])
        self._slots = {int(label): [int(slot) for slot in slots] for label, slots in counters["slots"]}
        self._seen = {int(label): int(seen) for label, seen in counters["seen"]}
        version, numbers, gauss = counters["place"]
        self._place.setstate((version, tuple(numbers), gauss))
