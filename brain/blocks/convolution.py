"""Causal depthwise convolution over the last four positions, with a carried tail and its own backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from brain.blocks.recurrences import convolve, loops_for
from brain.blocks.span import last_read

WIDTH = 4


class _CausalConv(torch.autograd.Function):
    """Four multiply-adds over shifted views, both ways, where autograd would pad each slice again."""

    @staticmethod
    def forward(ctx: Any, reach: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(reach, weight)
        length = reach.shape[1] - WIDTH + 1
        y = reach[:, :length] * weight[0]
        for offset in range(1, WIDTH):
            y.addcmul_(reach[:, offset : offset + length], weight[offset])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        reach, weight = ctx.saved_tensors
        gradient = gradients[0]
        length = gradient.shape[1]
        d_reach = torch.zeros_like(reach)
        d_weight = []
        for offset in range(WIDTH):
            d_reach[:, offset : offset + length].addcmul_(gradient, weight[offset])
            d_weight.append((gradient * reach[:, offset : offset + length]).sum(dim=(0, 1)))
        return d_reach, torch.stack(d_weight)


class CausalConv(nn.Module):
    """y_t = Σ_k w_k ⊙ x_{t−3+k}: each channel mixes its own last four inputs.

    Shapes: x (B, T, D), tail (B, 3, D) the inputs before the span, weight (4, D) with the present input last.
    Begins as the identity plus a little noise. `in_loops` lets compiled loops compute it; their last bits differ, so
    brains stored before the loops existed continue without them.
    """

    def __init__(self, channels: int, *, in_loops: bool = False) -> None:
        super().__init__()
        self.in_loops = in_loops
        self.weight = nn.Parameter(torch.empty(WIDTH, channels))

    def forward(self, x: Tensor, tail: Tensor | None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve, and return the tail for the next span; `lengths` (B,) as in `Span`."""
        if tail is None:
            tail = x.new_zeros(x.shape[0], WIDTH - 1, x.shape[2])
        reach = torch.cat([tail.to(x.dtype), x], dim=1)
        weight = self.weight.to(x.dtype)
        loops = loops_for(reach, weight) if self.in_loops else None
        if loops is not None:
            return convolve(loops, reach, weight), last_read(reach, WIDTH - 1, lengths)
        y: Tensor = _CausalConv.apply(reach, weight)  # type: ignore[no-untyped-call]
        return y, last_read(reach, WIDTH - 1, lengths)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Identity plus noise."""
        self.weight.normal_(0.0, 0.1, generator=generator)
        self.weight[-1] += 1.0
