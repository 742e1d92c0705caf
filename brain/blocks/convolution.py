"""Causal depthwise convolution over the last four positions, with a carried tail."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 4


class CausalConv(nn.Module):
    """y_t = Σ_k w_k ⊙ x_{t−3+k}: each channel mixes its own last four inputs.

    Shapes: x (B, T, D), tail (B, 3, D) the inputs before the span, weight (4, D) with the present input last.
    Begins as the identity plus a little noise.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(WIDTH, channels))

    def forward(self, x: Tensor, tail: Tensor | None) -> tuple[Tensor, Tensor]:
        """Convolve, and return the tail for the next span."""
        if tail is None:
            tail = x.new_zeros(x.shape[0], WIDTH - 1, x.shape[2])
        length = x.shape[1]
        reach = torch.cat([tail.to(x.dtype), x], dim=1)
        weight = self.weight.to(x.dtype)
        y = reach[:, :length] * weight[0]
        for offset in range(1, WIDTH):
            y = torch.addcmul(y, reach[:, offset : offset + length], weight[offset])
        return y, reach[:, length:]

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Identity plus noise."""
        self.weight.normal_(0.0, 0.1, generator=generator)
        self.weight[-1] += 1.0
