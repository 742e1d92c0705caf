"""A matrix without bias, applied in the precision of its input, and how weights begin."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Module):
    """y = x Wᵀ, with W kept in float32 and cast to the precision of x.

    Shapes: x (…, in_features), y (…, out_features), weight (out_features, in_features).
    A `zero` matrix begins at nought: put at the end of a residual branch, the branch begins as the identity.
    """

    def __init__(self, in_features: int, out_features: int, *, zero: bool = False) -> None:
        super().__init__()
        self.zero = zero
        self.weight = nn.Parameter(torch.empty(out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the matrix."""
        return functional.linear(x, self.weight.to(x.dtype))

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weight with variance 1 / in_features, or set it to nought."""
        if self.zero:
            self.weight.zero_()
        else:
            self.weight.normal_(0.0, self.weight.shape[1] ** -0.5, generator=generator)


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Call `initialize(generator)` on every module that has one, in the order of registration.

    Nothing is drawn from the global random state, so that two brains of one seed are equal on any machine.
    """
    for module in network.modules():
        begin = getattr(module, "initialize", None)
        if begin is not None:
            begin(generator)
