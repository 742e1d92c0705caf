"""Reading with both memories: what the network expects, mixed with what the hippocampus knows.

Shapes: R rows, T bytes of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.memory.hippocampus.bit_paths import path_probability
from brain.online.reading import read_in_spans, up_to_last

if TYPE_CHECKING:
    from torch import Tensor

    from brain.codecs.codec import Codec
    from brain.memory.hippocampus.exact_memory import Hippocampus, Mixed
    from brain.online.reading import Reader


@dataclass(frozen=True)
class MixedRows:
    """What the rows of a batch cost with both memories.

    Attributes:
        nats: float64 (R,), mean over the bytes of a row; nan for one that the hippocampus did not read.
        share: float64 (R,), how much of the evidence came from the hippocampus, a mean likewise.
        bpc: bits per byte over all.
    """

    nats: Tensor
    share: Tensor
    bpc: float

    @classmethod
    def of(cls, mixed: Mixed, mask: Tensor, read: Tensor, *, rows: int) -> MixedRows:
        """From what the hippocampus found of those rows that are called `read`, of whose bytes `mask` holds."""
        count = mask.sum(dim=1).cpu()
        sums = torch.from_numpy(np.stack([mixed.nats.sum(axis=1), mixed.share.sum(axis=1)]))
        means = torch.full((2, rows), torch.nan, dtype=torch.float64)
        means[:, read.cpu()] = sums / count.double().masked_fill(count == 0, torch.nan)
        bpc = float(sums[0].sum()) / max(1, int(count.sum())) / math.log(2)
        return cls(nats=means[0], share=means[1], bpc=bpc)


class RememberingReader:
    """R rows read side by side, all from the reset state, as a `Reader` does; nothing of them is remembered.

    Args:
        network: the network's reader, of bytes, that has read nothing.
        memory: is only looked at.
    """

    def __init__(self, network: Reader, memory: Hippocampus) -> None:
        self._network, self._memory = network, memory.reader(len(network))
        self._expected: Tensor | None = None  # by the network, of the byte to come: (R, 256)

    @property
    def codec(self) -> Codec:
        """Of its symbols: bytes."""
        return self._network.codec

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return self._network.device

    def read(self, rows: Tensor) -> Mixed:
        """Read further uint8 rows (R, T); returns their loss."""
        network = path_probability(self._network.read(rows).softmax(dim=-1), rows.to(self.device))
        return self._memory.read(rows, torch.ones_like(rows, dtype=torch.bool), network)

    def score(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Summed nats (R,), float64 on the CPU, of the network alone and of both together, in one pass.

        Those of the bytes of rows (R, T) where `mask` holds; what lies behind the last of them is not read.
        """
        alone, both = torch.zeros(2, len(rows), dtype=torch.float64)
        mask, read = mask.cpu(), up_to_last(mask)
        symbols, _ = self.codec.encode(rows, read, None)
        for first, part, log_probs in read_in_spans(self._network, symbols):
            span = slice(first, first + part.ids.shape[1])
            counted = mask[:, span]
            nats = -log_probs.gather(-1, part.ids.long().unsqueeze(-1)).squeeze(-1)
            network = path_probability(log_probs.exp(), rows[:, span])
            mixed = torch.from_numpy(self._memory.read(rows[:, span], read[:, span], network).nats)
            alone += nats.cpu().double().masked_fill(~counted, 0.0).sum(dim=1)
            both += mixed.masked_fill(~counted, 0.0).sum(dim=1)
        return alone, both

    def predict(self) -> Tensor:
        """Logarithms of the probabilities (R, 256) of the byte to come; `accept` follows."""
        self._expected = self._network.predict().softmax(dim=-1)
        return self._memory.predict(self._expected).log().to(self.device)

    def accept(self, unit: Tensor) -> None:
        """Read int64 bytes (R,) after `predict`."""
        if self._expected is None:
            raise RuntimeError("`accept` follows `predict`")
        rows = unit.to(torch.uint8)[:, None]
        network = path_probability(self._expected[:, None], rows.to(self.device))
        self._memory.read(rows, torch.ones_like(rows, dtype=torch.bool), network)
        self._network.accept(unit)
        self._expected = None
