"""Sliding-window attention with rotary positions, normalised queries and keys, and a ring cache."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, State
from brain.blocks.norm import rms_norm
from brain.blocks.rope import Rope
from brain.blocks.span import Span


class WindowAttention(Mixer):
    """Each byte attends to itself and the `window` − 1 before it, across spans, never across a reset.

    State: keys (already turned) and values, each (R, W, heads, head size), a ring in which the byte at position p sits
    in slot p mod W. Order within the ring does not matter, so nothing is ever shifted.
    """

    def __init__(self, size: int, *, num_heads: int, window: int) -> None:
        super().__init__()
        if size % num_heads:
            raise ValueError(
                f"hidden_size {size} does not divide into num_heads {num_heads}; choose a divisor"
            )
        self.num_heads, self.head_size, self.window = num_heads, size // num_heads, window
        self.qkv = Linear(size, 3 * size)
        self.out = Linear(size, size, zero=True)
        self.rope = Rope(self.head_size, longest=window)

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """An empty ring; it is kept in the precision of matrix products, which is that of its content."""
        shape = (rows, self.window, self.num_heads, self.head_size)
        return {name: torch.zeros(shape, device=device, dtype=dtype) for name in ("keys", "values")}

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Attend over the ring and the span."""
        rows, length, size = x.shape
        qkv = self.qkv(x).view(rows, length, 3, self.num_heads, self.head_size)
        time = span.position[:, None] + torch.arange(length, device=x.device)
        wide = torch.promote_types(x.dtype, torch.float32)
        turned = self.rope(rms_norm(qkv[:, :, :2], wide), time).to(x.dtype)  # (B, T, 2, heads, head size)
        query, key, value = turned[:, :, 0], turned[:, :, 1], qkv[:, :, 2]
        update = {"keys": key[:, -self.window :], "values": value[:, -self.window :]}
        if state is not None:
            key = torch.cat([state["keys"].to(x.dtype), key], dim=1)
            value = torch.cat([state["values"].to(x.dtype), value], dim=1)
        mixed = functional.scaled_dot_product_attention(
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            attn_mask=span.window_bias(self.window),
        )
        return self.out(mixed.transpose(1, 2).reshape(rows, length, size)), update

    @torch.no_grad()
    def commit(self, state: State, rows: Tensor, update: Mapping[str, Tensor], end: Tensor) -> None:
        """Write the newest keys and values over the oldest ones."""
        length = update["keys"].shape[1]
        slots = (end[:, None] - length + torch.arange(length, device=end.device)).remainder(self.window)
        for name, value in update.items():
            state[name][rows[:, None], slots] = value.to(state[name].dtype)
