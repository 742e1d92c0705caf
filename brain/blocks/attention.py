"""Sliding-window attention with rotary positions, normalised queries and keys, and a ring cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, MixerOptions, State, mixers
from brain.blocks.norm import rms_norm
from brain.blocks.rope import Rope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span


PIECE = 256  # positions of a long span that attend together


class _RingAttention(torch.autograd.Function):
    """softmax(q [ring, k]ᵀ/√D + bias) [ring, v], where the ring is a constant and needs no gradient.

    That, and plain matrix products, take half the time of the CPU's fused kernel on a window of 256 (measured
    for heads of 64 in bf16). Shapes: q, k, v (B, H, T, D), ring keys and values (B, H, W, D), W may be 0;
    bias (B or 1, 1, T, W + T).
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands tensors over by position
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, ring_keys: Tensor, ring_values: Tensor, bias: Tensor
    ) -> Tensor:
        window, q = ring_keys.shape[2], q * q.shape[-1] ** -0.5
        seen = torch.cat([q @ ring_keys.transpose(2, 3), q @ k.transpose(2, 3)], dim=-1)
        # In half precision too the kernel of the softmax sums in float32 inside.
        weight = seen.add_(bias).softmax(dim=-1)
        ctx.save_for_backward(q, k, v, ring_keys, ring_values, weight)
        return weight[..., :window] @ ring_values + weight[..., window:] @ v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, ring_keys, ring_values, weight = ctx.saved_tensors
        gradient, window = gradients[0], ring_keys.shape[2]
        slope = torch.cat([gradient @ ring_values.transpose(2, 3), gradient @ v.transpose(2, 3)], dim=-1)
        # d seen = weight ⊙ (slope − Σ weight ⊙ slope), the backward of the softmax.
        slope = torch._softmax_backward_data(slope, weight, -1, weight.dtype)
        d_q = (slope[..., :window] @ ring_keys + slope[..., window:] @ k) * q.shape[-1] ** -0.5
        d_k = slope[..., window:].transpose(2, 3) @ q
        d_v = weight[..., window:].transpose(2, 3) @ gradient
        return d_q, d_k, d_v, None, None, None


def ring_attention(
    q: Tensor, k: Tensor, v: Tensor, *, ring_keys: Tensor, ring_values: Tensor, bias: Tensor
) -> Tensor:
    """Attention over a constant ring and the span itself; see `_RingAttention` for shapes."""
    mixed: Tensor = _RingAttention.apply(q, k, v, ring_keys, ring_values, bias)  # type: ignore[no-untyped-call]
    return mixed


def window_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    ring_keys: Tensor,
    ring_values: Tensor,
    bias: Tensor,
    window: int,
) -> Tensor:
    """As `ring_attention`, in pieces of a long span: each looks only at what lies within its window."""
    length = q.shape[2]
    if length <= PIECE:
        return ring_attention(q, k, v, ring_keys=ring_keys, ring_values=ring_values, bias=bias)
    held = ring_keys.shape[2]
    pieces = []
    for first in range(0, length, PIECE):
        last, oldest = min(first + PIECE, length), max(0, first - window + 1)
        ring = slice(0, held if first < window else 0)
        seen = bias[:, :, first:last]
        pieces.append(
            ring_attention(
                q[:, :, first:last],
                k[:, :, oldest:last],
                v[:, :, oldest:last],
                ring_keys=ring_keys[:, :, ring],
                ring_values=ring_values[:, :, ring],
                bias=torch.cat([seen[..., ring], seen[..., held + oldest : held + last]], dim=-1),
            )
        )
    return torch.cat(pieces, dim=2)


@mixers.register("attention", builds="brain.blocks.attention:WindowAttention")
class WindowAttention(Mixer):
    """Each byte attends to itself and the `window` − 1 before it, across spans, never across a reset.

    State: keys (already turned) and values, each (R, heads, W, head size), a ring in which the byte at
    position p sits in slot p mod W. Order within the ring does not matter, so nothing is ever shifted.
    """

    @classmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """With its heads and its window."""
        return cls(size, num_heads=options.num_heads, window=options.window)

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
        shape = (rows, self.num_heads, self.window, self.head_size)
        return {name: torch.zeros(shape, device=device, dtype=dtype) for name in ("keys", "values")}

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Attend over the ring and the span."""
        rows, length, size = x.shape
        pair, value = self.qkv(x).view(rows, length, 3, self.num_heads, self.head_size).split([2, 1], dim=2)
        time = span.position[:, None] + torch.arange(length, device=x.device)
        wide = torch.promote_types(x.dtype, torch.float32)
        turned = self.rope(rms_norm(pair, wide), time).to(x.dtype)
        query, key = turned.permute(2, 0, 3, 1, 4).contiguous().unbind(0)  # each (B, heads, T, head size)
        value = value.squeeze(2).transpose(1, 2).contiguous()
        # Without a state the ring is empty.
        rings = {"keys": key[:, :, :0], "values": value[:, :, :0]} if state is None else state
        mixed = window_attention(
            query,
            key,
            value,
            ring_keys=rings["keys"].to(x.dtype),
            ring_values=rings["values"].to(x.dtype),
            bias=span.window_bias(self.window),
            window=self.window,
        )
        newest = {"keys": key[:, :, -self.window :], "values": value[:, :, -self.window :]}
        update = newest if span.lengths is None else self._newest_of_each(key, value, span, rings)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, size)), update

    def _newest_of_each(self, key: Tensor, value: Tensor, span: Span, rings: Mapping[str, Tensor]) -> State:
        """The newest keys and values of rows that end at places of their own.

        Where a row is shorter than what the update holds, its ring's own content is written again.
        """
        assert span.lengths is not None
        width = min(span.length, self.window)
        place = span.lengths[:, None] - width + torch.arange(width, device=key.device)  # (B, width)
        slot = (span.position[:, None] + place).remainder(self.window)
        row = torch.arange(len(key), device=key.device)[:, None]
        update = {}
        for name, new in (("keys", key), ("values", value)):
            chosen = new.transpose(1, 2)[row, place.clamp(min=0)]  # (B, width, heads, head size)
            if rings[name].shape[2]:
                held = rings[name].transpose(1, 2)[row, slot].to(new.dtype)
                chosen = torch.where((place < 0)[:, :, None, None], held, chosen)
            update[name] = chosen.transpose(1, 2)
        return update

    @torch.no_grad()
    def commit(self, state: State, rows: Tensor, update: Mapping[str, Tensor], end: Tensor) -> None:
        """Write the newest keys and values over the oldest ones."""
        length = update["keys"].shape[2]
        slots = (end[:, None] - length + torch.arange(length, device=end.device)).remainder(self.window)
        for name, value in update.items():
            # The two indices stand first in the result: (rows, T, heads, head size).
            state[name][rows[:, None], :, slots] = value.transpose(1, 2).to(state[name].dtype)
