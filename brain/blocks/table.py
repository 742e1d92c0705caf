"""An exact embedding table of very many rows, of which a step touches few."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class TouchedRows:
    """Rows one forward pass read: ids (U,), sorted and distinct, and a leaf (U, D) that gathers gradient."""

    ids: Tensor
    leaf: Tensor


class RowTable(nn.Module):
    """Embedding (rows, size) whose gradient exists only for the rows read, so a step costs what it touches.

    While gradients are on, `forward` reads from a gathered leaf and leaves it in `touched`; the optimizer
    takes it with `take_touched` and updates those rows only. Index −1 reads nought and touches nothing.
    Begins at nought.
    """

    def __init__(self, rows: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, size))
        self.touched: TouchedRows | None = None

    def forward(self, index: Tensor) -> Tensor:
        """Read rows: int64 index (…), result (…, size)."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return functional.embedding(index.clamp(min=0), self.weight) * (index >= 0).unsqueeze(-1)
        ids, place = torch.unique(index, return_inverse=True)
        leaf = self.weight.detach().index_select(0, ids.clamp(min=0)).requires_grad_()
        self.touched = TouchedRows(ids=ids, leaf=leaf)
        return functional.embedding(place, leaf) * (index >= 0).unsqueeze(-1)

    def take_touched(self) -> TouchedRows | None:
        """Hand over the rows of the last pass, without the row of index −1, and forget them."""
        touched, self.touched = self.touched, None
        return touched
