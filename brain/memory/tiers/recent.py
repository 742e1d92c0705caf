"""The recent ring: what was experienced last, each item as likely as the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brain.memory.policies.draws import UniformBlocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.memory.policies.policy import IntArray


class RecentRing:
    """A ring of `size` slots; `turn` gives the places of new items once it is full.

    While the table fills, its newest slots are the ring without being moved; see `Tiers`.
    """

    def __init__(self, size: int, seed: np.random.SeedSequence) -> None:
        self.size = size
        self._head = 0
        self._uniform = UniformBlocks(seed)

    def turn(self, n: int) -> IntArray:
        """Places 0 … size - 1 that the next n items take, oldest first, (n,)."""
        places = (self._head + np.arange(n)) % self.size
        self._head = (self._head + n) % self.size
        return places

    def straighten(self) -> None:
        """The ring's slots lie in the order of their age again."""
        self._head = 0

    def draw(self, n: int, first: int, end: int) -> IntArray:
        """N slots of the ring, uniformly with replacement, (n,)."""
        return first + (self._uniform.take(n) * (end - first)).astype(np.int64)

    def state(self) -> dict[str, Any]:
        """Where the ring is written next, and the generator."""
        return {"head": self._head, "uniform": self._uniform.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken."""
        self._head = int(state["head"]) % self.size
        self._uniform.load(state["uniform"])
