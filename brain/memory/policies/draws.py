"""Uniform numbers drawn a block at a time: cheap singly, restored exactly from generator state and count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BLOCK = 4096  # one generator call serves some hundred steps


class UniformBlocks:
    """An endless row of float64 in [0, 1), handed out in runs.

    A draw scaled by the count of the moment (`floor(u * n)`) stays uniform while n grows, which indices drawn
    ahead for an older n would not.
    """

    def __init__(self, seed: int | np.random.SeedSequence) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._used = 0
        self._refill()

    def take(self, n: int) -> NDArray[np.float64]:
        """The next n numbers, (n,)."""
        end = self._used + n
        if end <= BLOCK:
            run = self._block[self._used : end]
            self._used = end
            return run
        parts = [self._block[self._used :]]
        missing = n - len(parts[0])
        while missing > 0:
            self._refill()
            self._used = min(missing, BLOCK)
            parts.append(self._block[: self._used])
            missing -= self._used
        return np.concatenate(parts)

    def state(self) -> dict[str, Any]:
        """JSON-able: the generator as it was before the block, and how much of the block is used."""
        return {"generator": self._before, "used": self._used}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken."""
        self._generator.bit_generator.state = state["generator"]
        self._refill()
        self._used = int(state["used"])

    def _refill(self) -> None:
        self._before: dict[str, Any] = dict(self._generator.bit_generator.state)
        self._block = self._generator.random(BLOCK)
        self._used = 0
