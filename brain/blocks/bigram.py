"""Exact byte-pair features: one row for each of the 65,536 pairs of bytes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear
from brain.blocks.row_table import RowTable

NO_BYTE = 256  # stands where no byte was read yet


class Bigram(nn.Module):
    """Feature (…, size) of the last two bytes read, from a table of `width`; zero where one is missing."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.table = RowTable(65536, width)
        self.out = Linear(width, size)

    def forward(self, before: Tensor, last: Tensor, valid: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Look up pairs; where `valid` is False nothing is read, so padding never touches a row."""
        known = (before != NO_BYTE) & (last != NO_BYTE)
        if valid is not None:
            known = known & valid
        pair = torch.where(known, before * 256 + last, -1)
        y: Tensor = self.out(self.table(pair).to(dtype))
        return y
