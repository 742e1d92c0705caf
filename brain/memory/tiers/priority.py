"""The priority tier: what is still badly predicted comes back more often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from brain.memory.tiers.draws_ahead import WeightedBlocks, Weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.memory.policies.policy import IntArray, SlotTable


class LossPriority:
    """Draws in proportion to the newest known loss, none above ten times uniform.

    Source: Schaul et al. 2016, "Prioritized experience replay", proportional variant; the cap instead of an
    importance weight bounds what a mislabelled or unlearnable item can do.
    """

    def __init__(self, table: SlotTable, seed: np.random.SeedSequence) -> None:
        self._table = table
        self._blocks = WeightedBlocks(self._weigh, seed)

    def draw(self, n: int, first: int, end: int) -> IntArray:
        """N slots in proportion to their loss, with replacement, (n,)."""
        return self._blocks.draw(n, first, end)

    def forget_ahead(self) -> None:
        """The table is another one now."""
        self._blocks.forget_ahead()

    def state(self) -> dict[str, Any]:
        """The generator and what is drawn ahead."""
        return self._blocks.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue exactly from where `state` was taken."""
        self._blocks.load(state)

    def _weigh(self, first: int, end: int) -> Weights:
        return self._table.loss[first:end].astype(np.float64)
