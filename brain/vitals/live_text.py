"""Text for a tick to read: whole pieces of what the brain reads live.

Shapes: B rows of a batch, T bytes of a row, P pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.vitals.live_sign import NotMeasurableError

if TYPE_CHECKING:
    from torch import Tensor

    from brain.ports import Batch


def whole_pieces(batch: Batch, length: int, *, most: int, generator: torch.Generator) -> Tensor:
    """Pieces of exactly `length` bytes of the live rows, one behind another, uint8 (P, length).

    Of more than `most`, `most` are drawn. A row shorter than `length` has none.
    """
    live = (batch.lane >= 0).nonzero().squeeze(1)
    each = batch.bytes.shape[1] // length
    whole = batch.mask[live, : each * length].reshape(-1, length).all(dim=1).nonzero().squeeze(1)
    drawn = whole[torch.randperm(len(whole), generator=generator)[:most].to(whole.device)]
    return batch.bytes[live, : each * length].reshape(-1, length)[drawn]


def live_pieces(
    batch: Batch, *, longest: int, shortest: int, most: int, generator: torch.Generator
) -> Tensor:
    """Pieces of one length of the live rows, uint8 (P, T), drawn where there are more than `most`.

    T is `longest` while half of the live rows reach it. Where records are shorter it is their median length, of those
    that have `shortest` bytes; rows that do not reach it are left out.

    Raises:
        NotMeasurableError: no live row has `shortest` bytes.
    """
    lengths = batch.mask[batch.lane >= 0].long().cumprod(1).sum(1).cpu()
    length = min(longest, batch.bytes.shape[1])
    if 2 * int((lengths >= length).sum()) < len(lengths):
        enough = lengths[lengths >= shortest].sort().values
        length = 0 if len(enough) == 0 else min(length, int(enough[len(enough) // 2]))
    if length < shortest or len(lengths) == 0:
        seen = f"; the longest has {int(lengths.max())}" if len(lengths) else ""
        raise NotMeasurableError(f"no live row of this batch has {shortest} bytes{seen}")
    return whole_pieces(batch, length, most=most, generator=generator)
