"""A small, fixed sample of the held-out set, to compare losses at a glance: the same blocks for whoever is asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from daemon.trainer.measures.slow_weights import WEIGHTS, can_sleep, swapped

if TYPE_CHECKING:
    from brain.ports import Brain
    from daemon.streams.stream import ExperienceStream

SAMPLE_BLOCKS = 64
BLOCKS_AT_ONCE = 8


class HeldOutSample:
    """A limited number of blocks, evenly spaced over all that the sources hold out now.

    Args:
        stream: whose sources they are.
        device: where a brain reads them.
        most: blocks.
    """

    def __init__(self, stream: ExperienceStream, device: torch.device, *, most: int = SAMPLE_BLOCKS) -> None:
        self._device = device
        sets = [stream.held_out(index) for index in range(len(stream.sources))]
        places = [(held_out, row) for held_out in sets for row in range(len(held_out))]
        count = min(most, len(places))
        chosen = [places[number * len(places) // count] for number in range(count)]
        read = [held_out.read(row)[0] for held_out, row in chosen]
        self._blocks = [block for block in read if block]  # a file may have gone since it was listed

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """What is read."""
        return tuple(self._blocks)

    @property
    def num_bytes(self) -> int:
        """Of all blocks."""
        return sum(map(len, self._blocks))

    def better(self, brain: Brain) -> tuple[float, str] | None:
        """The lower loss of the fast and the slow weights, and which it is; None where nothing is held out.

        Of a ternary brain they differ by more than of others: an average is nearer to what it is rounded to.
        """
        found = []
        for weights in WEIGHTS if can_sleep(brain) else WEIGHTS[:1]:
            with swapped(brain, weights):
                if (bpc := self.bpc(brain)) is not None:
                    found.append((bpc, weights))
        return min(found, default=None)

    def bpc(self, brain: Brain) -> float | None:
        """Bits per byte of the network alone over all of them; None where nothing is held out. Changes nothing."""
        if not self._blocks:
            return None
        nats = 0.0
        for first in range(0, len(self._blocks), BLOCKS_AT_ONCE):
            blocks = self._blocks[first : first + BLOCKS_AT_ONCE]
            lengths = np.array([len(block) for block in blocks])
            rows = np.zeros((len(blocks), lengths.max()), dtype=np.uint8)
            for row, block in zip(rows, blocks, strict=True):
                row[: len(block)] = np.frombuffer(block, dtype=np.uint8)
            mask = np.arange(rows.shape[1]) < lengths[:, None]
            scores = brain.score(
                torch.from_numpy(rows).to(self._device), torch.from_numpy(mask).to(self._device)
            )
            nats += float(scores.cpu().double().sum())
        return nats / self.num_bytes / math.log(2)
