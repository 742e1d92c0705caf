"""Reading with both memories: what the network expects, mixed with what the hippocampus knows.

Shapes: R rows, T bytes of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.memory.hippocampus.bit_paths import path_probability
from brain.online.reading import up_to_last

if TYPE_CHECKING:
    from torch import Tensor

    from brain.codecs.port import Codec
    from brain.memory.hippocampus.exact_memory import Hippocampus, Mixed
    from brain.online.reading import Reader


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
        """Go on with uint8 rows (R, T); what they cost."""
        return self._read(rows, torch.ones_like(rows, dtype=torch.bool))

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Summed nats (R,), float64, of the bytes of rows (R, T) where `mask` holds; those behind them are not read."""
        mixed = self._read(rows, up_to_last(mask))
        return torch.from_numpy(mixed.nats).masked_fill(~mask.cpu(), 0.0).sum(dim=1)

    def predict(self) -> Tensor:
        """Logarithms of the probabilities (R, 256) of the byte to come; `accept` follows."""
        self._expected = self._network.predict().softmax(dim=-1)
        return self._memory.predict(self._expected).log().to(self.device)

    def accept(self, unit: Tensor) -> None:
        """Go on with int64 bytes (R,) after `predict`."""
        if self._expected is None:
            raise RuntimeError("`accept` follows `predict`")
        rows = unit.to(torch.uint8)[:, None]
        network = path_probability(self._expected[:, None], rows.to(self.device))
        self._memory.read(rows, torch.ones_like(rows, dtype=torch.bool), network)
        self._network.accept(unit)
        self._expected = None

    def _read(self, rows: Tensor, mask: Tensor) -> Mixed:
        logits = self._network.read(rows)
        return self._memory.read(rows, mask, path_probability(logits.softmax(dim=-1), rows.to(self.device)))
