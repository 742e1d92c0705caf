"""An exact embedding table of very many rows, of which a step touches few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class TouchedRows:
    """Rows that were read and learn: ids (U,), sorted and distinct, and a leaf (U, D) that holds their gradient."""

    ids: Tensor
    leaf: Tensor


class RowTable(nn.Module):
    """Embedding (rows, size) whose gradient exists only for the rows read, so a step costs what it touches.

    While gradients are on, each `forward` reads from a gathered leaf of its own. A backward pass leaves the leaves
    it reached in the table, whatever was read in between; the optimizer takes their sum with `take_touched` and
    updates those rows only. A pass that nobody goes back through leaves nothing. Index −1 reads zero and touches
    nothing. Begins at zero.
    """

    def __init__(self, rows: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, size))
        self._reached: list[TouchedRows] = []

    def forward(self, index: Tensor) -> Tensor:
        """Read rows: int64 index (…), result (…, size)."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return functional.embedding(index.clamp(min=0), self.weight) * (index >= 0).unsqueeze(-1)
        ids, place = torch.unique(index, return_inverse=True)
        leaf = self.weight.detach().index_select(0, ids.clamp(min=0)).requires_grad_()
        leaf.register_post_accumulate_grad_hook(self._keep(ids))  # type: ignore[no-untyped-call]
        return functional.embedding(place, leaf) * (index >= 0).unsqueeze(-1)

    def take_touched(self) -> TouchedRows | None:
        """Hand over the rows that backward passes have reached, their gradients summed, and forget them."""
        reached, self._reached = self._reached, []
        if len(reached) < 2:
            return reached[0] if reached else None
        ids, place = torch.unique(torch.cat([rows.ids for rows in reached]), return_inverse=True)
        leaf = self.weight.detach().index_select(0, ids.clamp(min=0))
        gradients = [rows.leaf.grad for rows in reached if rows.leaf.grad is not None]
        leaf.grad = torch.zeros_like(leaf).index_add_(0, place, torch.cat(gradients))
        return TouchedRows(ids=ids, leaf=leaf)

    def _keep(self, ids: Tensor) -> Callable[[Tensor], None]:
        def keep(leaf: Tensor) -> None:
            assert leaf.grad is not None
            if leaf.grad.requires_grad:
                leaf.grad = None
                raise RuntimeError(
                    "a RowTable has no second derivative: its rows are copies; call backward without create_graph"
                )
            # A graph that was kept may be gone back through again: its leaf then holds the sum already.
            if not any(rows.leaf is leaf for rows in self._reached):
                self._reached.append(TouchedRows(ids=ids, leaf=leaf))

        return keep
