"""Selective state space mixer in its dual, chunked form (Mamba-2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.convolution import WIDTH, CausalConv
from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, MixerOptions, State, mixers
from brain.blocks.norm import rms_norm
from brain.blocks.recurrences import loops_for, state_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span

CHUNK = 64


def ssd_scan(
    log_decay: Tensor, x: Tensor, into: Tensor, outof: Tensor, initial: Tensor, *, chunk: int = CHUNK
) -> tuple[Tensor, Tensor]:
    """H_t = e^{a_t} H_{t−1} + x_t B_tᵀ, y_t = H_t C_t: matrix products in chunks, a carry between them.

    Shapes: log_decay a (B, T, H), x (B, T, H, P), into B and outof C (B, T, N), initial (B, H, P, N);
    result y (B, T, H, P) and the last state. Source: Dao & Gu 2024, section 6.
    """
    hidden, reads = initial, []
    for begin in range(0, x.shape[1], chunk):
        part = slice(begin, begin + chunk)
        total = log_decay[:, part].cumsum(dim=1).transpose(1, 2)  # (B, H, Q), log decay since the chunk began
        values, keys, queries = x[:, part].transpose(1, 2), into[:, part], outof[:, part]
        length = values.shape[2]
        above = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        # −inf goes in before the exponential: above the diagonal the difference could overflow it.
        fade = (total[..., :, None] - total[..., None, :]).masked_fill(above, -math.inf).exp()
        within = (queries @ keys.transpose(1, 2))[:, None] * fade @ values  # (B, H, Q, P)
        before = (queries[:, None] @ hidden.transpose(2, 3)) * total.exp().unsqueeze(-1)
        reads.append((within + before).transpose(1, 2))
        rest = (total[..., -1:] - total).exp().unsqueeze(-1)  # decay from each position to the chunk's end
        carried = total[..., -1].exp()[..., None, None] * hidden
        hidden = carried + (values * rest).transpose(2, 3) @ keys[:, None]
    return torch.cat(reads, dim=1), hidden


@mixers.register("ssd", builds="brain.blocks.ssd:SSD")
class SSD(Mixer):
    """Mamba-2 mixer: expansion 2, one group, convolution over x, B and C, gated norm, out-projection.

    a_t = −exp(A_log)·softplus(dt_t + bias), written x·dt, y += D·x. The scan runs in at least float32.
    State: hidden (R, heads, P, N) and tail (R, 3, 2d + 2N), in float32.
    """

    @classmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """Its sizes follow from the stream's width alone."""
        del options
        return cls(size)

    def __init__(self, size: int, *, head_size: int = 64, state_size: int = 64) -> None:
        super().__init__()
        self.size, self.inner, self.state_size = size, 2 * size, state_size
        self.head_size = math.gcd(head_size, self.inner)
        self.num_heads = self.inner // self.head_size
        self.mixed = self.inner + 2 * state_size
        self.into = Linear(size, self.inner + self.mixed + self.num_heads)
        self.conv = CausalConv(self.mixed, in_loops=True)
        self.log_rate = nn.Parameter(torch.empty(self.num_heads))
        self.dt_bias = nn.Parameter(torch.empty(self.num_heads))
        self.skip = nn.Parameter(torch.empty(self.num_heads))
        self.out = Linear(self.inner, size, zero=True)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Rates 1 … 16 and time steps 1e-3 … 1e-1 even in the logarithm, as in the source; skip 1."""
        del generator  # spread, not drawn
        even = torch.linspace(0.0, 1.0, self.num_heads)
        self.log_rate.copy_(math.log(16.0) * even.flip(0))
        dt = torch.exp(math.log(1e-3) + even * math.log(1e-1 / 1e-3))
        self.dt_bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # the inverse of softplus
        self.skip.fill_(1.0)

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """All zeros."""
        wide = torch.promote_types(dtype, torch.float32)
        shape = (rows, self.num_heads, self.head_size, self.state_size)
        return {
            "hidden": torch.zeros(shape, device=device, dtype=wide),
            "tail": torch.zeros(rows, WIDTH - 1, self.mixed, device=device, dtype=wide),
        }

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Run the chunked scan over the span."""
        y, gate, update = self.recall(x, span, state)
        return self.project(y, gate, x.dtype), update

    def recall(
        self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None
    ) -> tuple[Tensor, Tensor, State]:
        """What the state space reads (B, T, 2d), in at least float32; the gate of it; what changed in the state."""
        rows = len(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        if state is None:
            shape = (rows, self.num_heads, self.head_size, self.state_size)
            tail, hidden = None, x.new_zeros(shape, dtype=wide)
        else:
            tail, hidden = span.keep(state["tail"]), span.keep(state["hidden"]).to(wide)
        gate, mixed, dt = torch.split(self.into(x), [self.inner, self.mixed, self.num_heads], dim=-1)
        mixed, tail = self.conv(mixed.to(wide), tail, span.lengths)
        mixed = functional.silu(mixed)
        # Behind the end of its row a position takes no time: it neither decays the state nor writes to it.
        dt = span.counted_only(functional.softplus(dt.to(wide) + self.dt_bias))
        log_decay = -self.log_rate.exp() * dt
        y, hidden = self._scan(log_decay, dt, mixed, hidden)
        return y, gate, {"hidden": hidden, "tail": tail}

    def _scan(self, log_decay: Tensor, dt: Tensor, mixed: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """As `state_space`, by loops or in chunks."""
        loops = loops_for(mixed, log_decay, dt, self.skip, hidden, unrolled=self.state_size)
        if loops is not None:
            return state_space(loops, log_decay=log_decay, dt=dt, mixed=mixed, skip=self.skip, initial=hidden)
        values, into, outof = torch.split(mixed, [self.inner, self.state_size, self.state_size], dim=-1)
        values = values.reshape(*values.shape[:2], self.num_heads, self.head_size)
        y, hidden = ssd_scan(log_decay, values * dt.unsqueeze(-1), into, outof, hidden)
        return (y + self.skip[:, None] * values).flatten(2), hidden

    def project(self, y: Tensor, gate: Tensor, dtype: torch.dtype) -> Tensor:
        """Gated norm and out-projection, (B, T, d), with matrix products in `dtype`."""
        out: Tensor = self.out(rms_norm(y * functional.silu(gate.to(y.dtype)), dtype))
        return out
