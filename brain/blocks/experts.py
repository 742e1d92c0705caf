"""Experts beside an MLP: small MLPs, each with a gate that scales its output byte by byte.

A network that is too small for part of what it reads need not be made larger for all of it. An expert is a
further MLP beside the one that is there, with a gate of its own: one number between 0 and 1 that follows from
the input at that position alone, so that nothing to come can leak into it. One may open on numbers, another on
quoted text, while the first MLP is always open.

    y = mlp(x) + Σ_e g_e(x) · expert_e(x),   g_e(x) = σ(w_e · x)

The gates are sigmoids and not one softmax over all experts. A softmax shares out a whole, so that an expert just
born would take from existing ones, and the output would change. And every expert is computed at every position (a
dense mixture): choosing the best few saves work where there are hundreds, but with a handful on a CPU gathering
their rows costs more than it spares, and a gate that is never opened gets no gradient.

Source: Jacobs et al. 1991, "Adaptive mixtures of local experts"; Shazeer et al. 2017, "Outrageously large neural
networks: the sparsely-gated mixture-of-experts layer".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear
from brain.blocks.mlp import MLP

if TYPE_CHECKING:
    from collections.abc import Iterable


class Expert(MLP):
    """y = σ(w · x) W_out max(W_in x, 0)²; its hidden units are a growth site as those of any MLP.

    Shapes: x (…, size), y (…, size). It begins at zero because its out-projection does, while its gate is drawn
    and stands about half open: so the out-projection has a gradient from the first step, and the gate from the
    second.
    """

    def __init__(self, size: int, *, hidden: int, born_hidden: int | None = None) -> None:
        super().__init__(size, hidden=hidden, born_hidden=born_hidden)
        self.gate = Linear(size, 1)

    def openness(self, x: Tensor) -> Tensor:
        """Its gate at each position: (…, 1), between 0 and 1."""
        return torch.sigmoid(self.gate(x))

    def forward(self, x: Tensor) -> Tensor:
        """The output of the MLP, scaled by the gate."""
        return self.openness(x) * super().forward(x)


class Experts(nn.ModuleList):
    """The experts beside one MLP; there may be none. Each is called by its number."""

    def __init__(self, experts: Iterable[Expert] = ()) -> None:
        super().__init__(experts)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The output y of the MLP for x, and what the experts add to it; both (…, size)."""
        for expert in self:
            y = y + expert(x)
        return y
