"""Slots drawn by weight, a block ahead: the whole table is weighed once for hundreds of draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brain.memory.policies.draws import UniformBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.memory.policies.policy import IntArray

Weights = NDArray[np.float64]

BLOCK_DRAWS = 512
AHEAD_SHARE = 1 / 8  # of a small table less is drawn ahead, so that new items are not long left out
MOST_TIMES_UNIFORM = 10.0


class WeightedBlocks:
    """Pre-drawn slots of a table region, by weights that are looked at anew for each block.

    Args:
        weigh: weights of slots first … end - 1, not negative, (end - first,); capped here.
        seed: of its own generator.

    Slots drawn ahead are part of the state: they cannot be drawn again once the table has changed.
    """

    def __init__(self, weigh: Callable[[int, int], Weights], seed: np.random.SeedSequence) -> None:
        self._weigh = weigh
        self._uniform = UniformBlocks(seed)
        self._ahead = np.empty(0, np.int64)

    def draw(self, n: int, first: int, end: int) -> IntArray:
        """N slots of first … end - 1 with replacement, (n,)."""
        parts: list[IntArray] = []
        while n > 0:
            if not len(self._ahead):
                self._ahead = self._draw_block(n, first, end)
            parts.append(self._ahead[:n])
            self._ahead = self._ahead[n:]
            n -= len(parts[-1])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def forget_ahead(self) -> None:
        """The table is another one now: what was drawn ahead may not exist any more."""
        self._ahead = self._ahead[:0]

    def state(self) -> dict[str, Any]:
        """The generator, and the slots drawn ahead."""
        return {"uniform": self._uniform.state(), "ahead": self._ahead.tolist()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken."""
        self._uniform.load(state["uniform"])
        self._ahead = np.array(state["ahead"], np.int64)

    def _draw_block(self, n: int, first: int, end: int) -> IntArray:
        count = max(n, min(BLOCK_DRAWS, int((end - first) * AHEAD_SHARE)))
        reached = np.cumsum(capped(self._weigh(first, end)))
        drawn: IntArray = np.searchsorted(reached, self._uniform.take(count) * reached[-1], side="right")
        return np.minimum(drawn, end - first - 1) + first


def capped(weights: Weights, most: float = MOST_TIMES_UNIFORM) -> Weights:
    """Weights of which none is above `most` times the mean of the result; all equal where all were zero.

    >>> weights = capped(np.array([1.0] * 99 + [1e6]))
    >>> round(float(weights[-1] / weights.mean()), 9)
    10.0
    """
    weights = np.nan_to_num(weights, nan=0.0, posinf=0.0).clip(min=0.0)
    total = float(weights.sum())
    if total <= 0.0:
        return np.ones_like(weights)
    num, cap = len(weights), most * total / len(weights)
    if float(weights.max()) <= cap:
        return weights
    # With k items at the cap c and the rest below it, c = most · (rest + k·c) / n: solved until k stays.
    num_capped = 0
    while (above := int((weights > cap).sum())) > num_capped and num > most * above:
        num_capped = above
        cap = most * float(weights[weights <= cap].sum()) / (num - most * above)
    return np.minimum(weights, cap) if cap > 0.0 else np.ones_like(weights)
