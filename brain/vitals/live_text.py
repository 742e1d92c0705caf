"""Text for a tick to read: whole pieces of what the brain reads live.

Shapes: B rows of a batch, T bytes of a row, P pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from brain.ports import Batch


def whole_pieces(batch: Batch, length: int, *, most: int, generator: torch.Generator) -> Tensor:
    """Pieces of exactly `length` bytes of the live rows, one behind another, uint8 (P, length).

    Of more than `most` so many are drawn. A row shorter than `length` has none.
    """
    live = (batch.lane >= 0).nonzero().squeeze(1)
    each = batch.bytes.shape[1] // length
    whole = batch.mask[live, : each * length].reshape(-1, length).all(dim=1).nonzero().squeeze(1)
    drawn = whole[torch.randperm(len(whole), generator=generator)[:most].to(whole.device)]
    return batch.bytes[live, : each * length].reshape(-1, length)[drawn]
