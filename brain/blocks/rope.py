"""Rotary positions that never lose precision, however long the stream."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

PERIOD = 8192


class _Rotate(torch.autograd.Function):
    """Rotation of pairs (x_i, x_{i + D/2}); its gradient is the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(gradients[0], cos, -sin), None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Rope(nn.Module):
    """Rotates queries and keys by their position (Su et al. 2021) with frequencies 2πk/8192, k whole.

    Every wavelength divides 8,192 positions, so the position modulo 8,192 turns exactly as the position
    itself would: angles stay bounded and a cached key needs no second turn, after 10 bytes or 10¹².
    """

    def __init__(self, head_size: int, *, longest: int) -> None:
        super().__init__()
        if head_size % 2:
            raise ValueError(f"rotary positions need an even head size, not {head_size}")
        pairs = head_size // 2
        # From one radian a position to about one turn in four windows.
        exponents = torch.arange(pairs, dtype=torch.float64) / max(pairs - 1, 1)
        slowest = min(1.0, 2 * math.pi / (4 * longest))
        turns = (slowest**exponents * PERIOD / (2 * math.pi)).round().clamp(min=1.0)
        angles = torch.arange(PERIOD, dtype=torch.float64)[:, None] * turns * (2 * math.pi / PERIOD)
        # Angles are worked out in float64 on the CPU; what is kept is float32, which every device knows.
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    cos: Tensor
    sin: Tensor

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Turn x (B, T, …, D) by int64 positions (B, T)."""
        within = position.remainder(PERIOD)
        shape = (*within.shape, *[1] * (x.dim() - 3), x.shape[-1] // 2)
        turned: Tensor = _Rotate.apply(  # type: ignore[no-untyped-call]
            x, self.cos[within].view(shape).to(x.dtype), self.sin[within].view(shape).to(x.dtype)
        )
        return turned
