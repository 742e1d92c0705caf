"""In sleep: which items the exact memory knows and the network does not, and how much of it the network has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.memory.ports import Remembering
from brain.sleep.carry_over import PASSES, CarryOver
from daemon.trainer.steps.batching import replayed_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from brain.memory.replay import ReplayMemory
    from brain.memory.replay_records import ReplayRows
    from brain.ports import Brain
    from brain.sleep.config import SleepConfig
    from daemon.trainer.ports import Clock, Life

CANDIDATES = 2  # looked at for each that is kept
SCORED_TOGETHER = 8  # rows


class CarryingOver:
    """Chooses what a sleep carries over, and measures it.

    Args:
        config: of sleep.
        brain: that sleeps.
        replay: what it dreams of.
        clock: of the run.
        life: its signs of life.
    """

    def __init__(
        self, config: SleepConfig, *, brain: Brain, replay: ReplayMemory, clock: Clock, life: Life
    ) -> None:
        self._config = config
        self._brain = brain
        self._replay = replay
        self._clock = clock
        self._life = life

    def choose(self, steps: int, rows: int) -> CarryOver | None:
        """What a sleep of `steps` steps should carry over, chosen by the step alone; None without an exact memory.

        Raises:
            Interrupted: the run is to end.
        """
        draws = steps * int(rows * self._config.carried_share)
        most = min(self._config.carried_items, draws // PASSES)
        if not (
            isinstance(self._brain, Remembering) and self._brain.remembers and most and len(self._replay)
        ):
            return None
        drawn = np.random.default_rng(self._clock.step)
        count = min(CANDIDATES * most, len(self._replay))
        slots = np.sort(drawn.choice(len(self._replay), size=count, replace=False))
        network, both, num_bytes = np.zeros(count), np.zeros(count), np.zeros(count, np.int64)
        for first in range(0, count, SCORED_TOGETHER):
            part = slice(first, first + SCORED_TOGETHER)
            items = self._replay.at(slots[part])
            alone, mixed = self._brain.score_both(*_text(items))
            network[part], both[part], num_bytes[part] = alone.numpy(), mixed.numpy(), items.length
            self._life.progressed()
        return CarryOver.choose(slots, network, both, num_bytes, most=most)

    def replayed(self, carried: CarryOver | None, step: int, rows: int) -> ReplayRows:
        """Rows for step `step` (from 0) of a sleep: in turn what is to be carried over, the rest by the policy."""
        if not carried:
            return self._replay.sample(rows)
        of_these = int(rows * self._config.carried_share)
        turn = carried.turn(step * of_these, of_these)
        turn = turn[turn < len(self._replay)]
        return joined(self._replay.at(turn), self._replay.sample(rows - len(turn)))

    def costs(self, carried: CarryOver) -> NDArray[np.float64]:
        """What each item costs the network alone now, (K,) nats; what has gone meanwhile costs what it did.

        Raises:
            Interrupted: the run is to end.
        """
        found, there = carried.network.copy(), np.flatnonzero(carried.slots < len(self._replay))
        for first in range(0, len(there), SCORED_TOGETHER):
            part = there[first : first + SCORED_TOGETHER]
            found[part] = self._brain.score(*_text(self._replay.at(carried.slots[part]))).numpy()
            self._life.progressed()
        return found


def joined(first: ReplayRows, second: ReplayRows) -> ReplayRows:
    """The items of both, one behind another."""
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in vars(first)}
    return type(first)(**both)


def _text(items: ReplayRows) -> tuple[torch.Tensor, torch.Tensor]:
    batch = replayed_batch(items, torch.device("cpu"))
    return batch.bytes, batch.mask
