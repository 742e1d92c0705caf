"""A byte is a symbol: nothing is ever undecided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.codecs.codec import Carry, Opening, Symbols

if TYPE_CHECKING:
    from torch import Tensor


class ByteCodec:
    """The identity, as a `Codec`."""

    vocabulary = 256
    units = 1

    def new_carry(self, rows: int, *, device: torch.device) -> Carry:
        """Empty."""
        del rows, device
        return {}

    def encode(
        self, rows: Tensor, mask: Tensor, carry: Carry | None, *, ends: Tensor | None = None
    ) -> tuple[Symbols, Carry]:
        """The rows as they are."""
        del carry, ends
        return Symbols(ids=rows, valid=mask, num_bytes=mask.long()), {}

    def opening(self, carry: Carry, *, rows: int, device: torch.device) -> Opening:
        """The next byte, of which nothing is known."""
        del carry
        return Opening(symbols=None, ids=torch.zeros(rows, 1, dtype=torch.uint8, device=device))

    def decode(self, unit: int) -> bytes:
        """One byte.

        >>> ByteCodec().decode(97)
        b'a'
        """
        return bytes([unit])
