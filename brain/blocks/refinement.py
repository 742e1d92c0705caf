"""A pool of refinement steps, of which each position takes as many as it chooses.

    z_0 = x,   c_k = c_{k−1} σ(w_k · norm z_{k−1}),   z_k = z_{k−1} + c_k MLP_k(norm z_{k−1})

A step has matrices of its own. The gates of a position multiply, so it thinks on as long as they stay open; where
the product falls below 1/32, that step and all behind it are left out, in learning and in reading alike. It follows
from the position alone. When nothing is learned and no position continues, the rest of the pool is not computed.

Source: Graves 2016, "Adaptive computation time", with the halting of a product of gates in place of a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST = 1.0 / 32.0  # a step that would count for less is left out


class RefinementStep(MLP):
    """One step: an MLP, whose hidden units are a growth site, and the gate that lets a position take it."""

    def __init__(self, size: int, *, hidden: int, born_hidden: int | None = None) -> None:
        super().__init__(size, hidden=hidden, born_hidden=born_hidden)
        self.gate = Linear(size, 1)

    def openness(self, x: Tensor) -> Tensor:
        """Of its gate at each position, between 0 and 1, in at least float32: (…, 1)."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        # Row by row: the last bits of a matrix product with a single column depend on where in the batch a row stands.
        return torch.sigmoid((wide * self.gate.weight).sum(dim=-1, keepdim=True))


class RefinementPool(nn.ModuleList):
    """The steps in their order; each is called by its number."""

    def __init__(self, steps: Iterable[RefinementStep]) -> None:
        super().__init__(steps)

    def forward(self, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """What the steps add to the stream x (B, T, d), and how many each position took: Σ c, (B, T).

        Matrix products are in `dtype`.
        """
        refined = x
        going = x.new_ones(*x.shape[:-1], 1)
        taken = torch.zeros_like(going)
        for step in self:
            assert isinstance(step, RefinementStep)
            normed = rms_norm(refined, dtype)
            going = going * step.openness(normed).to(x.dtype)
            going = going.masked_fill(going < LEAST, 0.0)
            if not torch.is_grad_enabled() and not bool(going.any()):
                break
            refined = refined + going * step(normed)
            taken = taken + going
        return refined - x, taken.squeeze(-1)
