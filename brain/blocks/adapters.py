"""A mixture of low-rank adapters, of which a router chooses the best few for each position.

    y = Σ_e g_e(x) B_e A_e x,   A_e (r, d), B_e (d, r)

g_e is the softmax of a router over the experts, kept for the `active` best and shared out among them, else 0. It
follows from the input at that position alone, so nothing to come can leak into it. All A and all B are one matrix
each: with adapters this narrow, computing every one costs less than gathering those that were chosen.

Source: Hu et al. 2021, "LoRA"; Shazeer et al. 2017; the balance loss after Fedus et al. 2021, "Switch transformers".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear


@dataclass(frozen=True)
class Routing:
    """What a router found: probabilities of E experts (B, T, E), and which were chosen, bool (B, T, E)."""

    probability: Tensor
    chosen: Tensor

    def imbalance(self, read: Tensor) -> Tensor:
        """E Σ_e f_e P_e over the positions where `read` (B, T) holds, a scalar: 1 where all have equal shares.

        f is the share of choices, which has no gradient, P the mean probability, which has.
        """
        counted = read.unsqueeze(-1)
        chosen = (self.chosen & counted).sum(dim=(0, 1)).to(self.probability.dtype)
        probability = self.probability.masked_fill(~counted, 0.0).sum(dim=(0, 1))
        num_read = read.sum().clamp(min=1)
        share = chosen / chosen.sum().clamp(min=1.0)
        return self.probability.shape[-1] * (share * probability / num_read).sum()


class LowRankExperts(nn.Module):
    """As the module says; shapes: x (B, T, size), y (B, T, size). The up-projections begin at zero.

    Args:
        size: width d.
        num_experts: E.
        rank: r of each adapter.
        active: experts that a position gets.
    """

    def __init__(self, size: int, *, num_experts: int = 8, rank: int = 8, active: int = 2) -> None:
        super().__init__()
        if active > num_experts:
            raise ValueError(
                f"{active} of {num_experts} experts cannot be active; choose at most {num_experts}"
            )
        self.num_experts, self.rank, self.active = num_experts, rank, active
        self.router = Linear(size, num_experts)
        self.down = Linear(size, num_experts * rank)
        self.up = Linear(num_experts * rank, size, zero=True)

    def route(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Weights g (B, T, E), and how they came about; in at least float32."""
        wide = torch.promote_types(x.dtype, torch.float32)
        probability = self.router(x.to(wide)).softmax(dim=-1)
        best = probability.topk(self.active, dim=-1)
        chosen = torch.zeros_like(probability, dtype=torch.bool).scatter(-1, best.indices, value=True)
        weight = probability.masked_fill(~chosen, 0.0) / best.values.sum(dim=-1, keepdim=True)
        return weight, Routing(probability, chosen)

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """What the chosen adapters add."""
        weight, routing = self.route(x)
        narrow = self.down(x) * weight.to(x.dtype).repeat_interleave(self.rank, dim=-1)
        y: Tensor = self.up(narrow)
        return y, routing
