"""Two matrices with a squared ReLU between them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear


class _SquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        kept = torch.relu(x)
        ctx.save_for_backward(kept)
        return kept * kept

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor]:
        (kept,) = ctx.saved_tensors
        return ((gradients[0] * kept).mul_(2.0),)


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)² (So et al. 2021).

    >>> squared_relu(torch.tensor([-2.0, 3.0])).tolist()
    [0.0, 9.0]
    """
    y: Tensor = _SquaredReLU.apply(x)  # type: ignore[no-untyped-call]
    return y


class MLP(nn.Module):
    """y = W_out max(W_in x, 0)². `hidden` units are a growth site: rows of `into`, columns of `out`.

    Shapes: x (…, size), y (…, size or out_size). The out-projection begins at zero; `born_hidden` of the units
    were there from the start.
    """

    feeds: ClassVar[tuple[str, ...]] = ("into",)  # matrices with a row for each unit; `out` has a column
    unit_state: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, size: int, *, hidden: int, born_hidden: int | None = None, out_size: int | None = None
    ) -> None:
        super().__init__()
        self.hidden, self.born_hidden = hidden, hidden if born_hidden is None else born_hidden
        self.into = Linear(size, hidden)
        self.out = Linear(hidden, out_size or size, zero=True, num_existing=born_hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both matrices."""
        y: Tensor = self.out(squared_relu(self.into(x)))
        return y

    def candidates(self, x: Tensor, into: Tensor) -> Tensor:
        """Activations for x of units that might be born with rows `into` (K, size): (…, K)."""
        return squared_relu(x @ into.T)
