"""RWKV-7 time mixing: a matrix state of which each position decays, erases and writes by channel.

Shapes: B rows, T positions, d width, H heads of K channels, d = H K.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.delta_scan import DeltaStep
from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, MixerOptions, State, mixers
from brain.blocks.recurrences import delta_rule
from brain.blocks.span import last_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span

FASTEST = -math.exp(
    -0.5
)  # log decay of a position is between this and 0, which keeps chunks exact in float32
NORM_EPSILON = 1e-5  # a channel of a head


def log_decays(raw: Tensor) -> Tensor:
    """Log w = −e^{−½} σ(raw): at most .6065 a position."""
    return FASTEST * torch.sigmoid(raw)


def wkv_step(
    *, log_decay: Tensor, rate: Tensor, key: Tensor, value: Tensor, read: Tensor, erased: Tensor, kept: Tensor
) -> DeltaStep:
    """What RWKV-7 does to its state, all (B, T, H, K).

    κ̂ = normalise(k ⊙ ξ) is erased and written back at the rate η: a = −κ̂, b = κ̂ ⊙ η; the key that the value is
    written to is k ⊙ (1 + (η − 1) ⊙ k_a).

    Args:
        log_decay: log w.
        rate: η in (0, 1), the learning rate of the state in context.
        key: k.
        value: v.
        read: r.
        erased: ξ (H, K).
        kept: k_a (H, K).
    """
    direction = functional.normalize(key * erased, dim=-1)
    return DeltaStep(
        log_decay=log_decay,
        erase=-direction,
        back=direction * rate,
        key=key * (1.0 + (rate - 1.0) * kept),
        value=value,
        read=read,
    )


class HeadNorm(nn.Module):
    """Each head's reads to mean 0 and variance 1, then a gain and a bias by channel: (B, T, H, K) → (B, T, H K)."""

    def __init__(self, num_heads: int, head_size: int) -> None:
        super().__init__()
        self.num_heads, self.head_size = num_heads, head_size
        self.gain = nn.Parameter(torch.empty(num_heads * head_size))
        self.bias = nn.Parameter(torch.empty(num_heads * head_size))

    def forward(self, y: Tensor) -> Tensor:
        """Normalise in the precision of y."""
        normed = functional.layer_norm(y, y.shape[-1:], eps=NORM_EPSILON * self.head_size)
        return normed.flatten(2) * self.gain + self.bias

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Gain 1, bias 0."""
        del generator
        self.gain.fill_(1.0)
        self.bias.zero_()


class LowRank(nn.Module):
    """raw = bias + B f(A x), with a narrow middle; B begins at zero."""

    def __init__(self, size: int, rank: int, out: int) -> None:
        super().__init__()
        self.down = Linear(size, rank)
        self.up = Linear(rank, out, zero=True)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor, *, tanh: bool = False) -> Tensor:
        """In at least float32."""
        narrow = self.down(x)
        raw: Tensor = self.up(torch.tanh(narrow) if tanh else narrow)
        return raw.to(torch.promote_types(raw.dtype, torch.float32)) + self.bias


@mixers.register("rwkv7", builds="brain.blocks.rwkv7:RWKV7")
class RWKV7(Mixer):
    """x and what stood before it are mixed six ways; heads of a matrix state; norm, bonus, gate, out-projection.

    `values_mixed` has it take its values in part from `first_value`, those of the first layer. With `out_size` its
    out-projection has that many rows, for another part to fuse, and random initial weights.
    State: hidden (R, H, K, K) and the last input, tail (R, 1, d), in float32.
    Source: Peng et al. 2025, "RWKV-7 Goose with expressive dynamic state evolution".
    """

    @classmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """Its sizes follow from the stream's width alone."""
        del options
        return cls(size)

    def __init__(
        self, size: int, *, head_size: int = 64, values_mixed: bool = False, out_size: int | None = None
    ) -> None:
        super().__init__()
        self.size, self.head_size = size, math.gcd(head_size, size)
        self.num_heads = size // self.head_size
        rank = max(8, size // 8)
        self.shift = nn.Parameter(torch.empty(6, size))  # share of the position before in r, w, k, v, η, gate
        self.read, self.key, self.value = (Linear(size, size) for _ in range(3))
        self.decay, self.rate = (LowRank(size, rank, size) for _ in range(2))
        self.mixing = LowRank(size, rank, size) if values_mixed else None
        self.gate_down, self.gate_up = Linear(size, 2 * rank), Linear(2 * rank, size)
        self.erased = nn.Parameter(torch.empty(self.num_heads, self.head_size))
        self.kept = nn.Parameter(torch.empty(self.num_heads, self.head_size))
        self.bonus = nn.Parameter(torch.empty(self.num_heads, self.head_size))
        self.norm = HeadNorm(self.num_heads, self.head_size)
        self.out = Linear(size, out_size or size, zero=out_size is None)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Spread by channel, as the source has it: shifts, and half-lives of 4 positions to 450."""
        del generator
        even = torch.linspace(0.0, 1.0, self.size)
        for share, power in zip(self.shift, (0.2, 0.9, 0.7, 0.7, 0.9, 0.2), strict=True):
            share.copy_(1.0 - even**power)
        self.decay.bias.copy_(-6.5 + 5.0 * even)
        self.rate.bias.zero_()
        if self.mixing is not None:
            self.mixing.bias.fill_(1.0)
        self.erased.fill_(0.85)
        self.kept.fill_(1.0)
        self.bonus.zero_()

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """All zeros."""
        wide = torch.promote_types(dtype, torch.float32)
        shape = (rows, self.num_heads, self.head_size, self.head_size)
        return {
            "hidden": torch.zeros(shape, device=device, dtype=wide),
            "tail": torch.zeros(rows, 1, self.size, device=device, dtype=wide),
        }

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Run the recurrence over the span, in at least float32."""
        y, update, _ = self.mix(x, span, state)
        return y, update

    def mix(
        self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None, *, first_value: Tensor | None = None
    ) -> tuple[Tensor, State, Tensor]:
        """As `forward`, and the values (B, T, H, K) as they were before they were mixed with `first_value`."""
        wide = torch.promote_types(x.dtype, torch.float32)
        if state is None:
            state = self.new_state(len(x), device=x.device, dtype=wide)
        tail, hidden = span.keep(state["tail"]), span.keep(state["hidden"]).to(wide)
        line = torch.cat([tail.to(x.dtype), x], dim=1)
        before = line[:, :-1] - x
        to_read, to_decay, to_key, to_value, to_rate, to_gate = (
            torch.addcmul(x, before, share) for share in self.shift.to(x.dtype)
        )
        value = own_value = self._heads(self.value(to_value), wide)
        if first_value is not None:
            assert self.mixing is not None
            value = torch.lerp(value, first_value, self._heads(torch.sigmoid(self.mixing(to_value)), wide))
        step = wkv_step(
            log_decay=self._heads(log_decays(self.decay(to_decay, tanh=True)), wide),
            rate=self._heads(torch.sigmoid(self.rate(to_rate)), wide),
            key=self._heads(self.key(to_key), wide),
            value=value,
            read=self._heads(self.read(to_read), wide),
            erased=self.erased,
            kept=self.kept,
        )
        # Behind the end of its row a position neither decays the state nor writes to it.
        counted = step._replace(
            log_decay=span.counted_only(step.log_decay),
            back=span.counted_only(step.back),
            key=span.counted_only(step.key),
        )
        y, hidden = delta_rule(counted, hidden)
        y = self.norm(y) + ((step.read * step.key * self.bonus).sum(dim=-1, keepdim=True) * value).flatten(2)
        y = y.to(x.dtype) * self.gate_up(torch.sigmoid(self.gate_down(to_gate)))
        return self.out(y), {"hidden": hidden, "tail": last_read(line, 1, span.lengths)}, own_value

    def _heads(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype).view(*x.shape[:-1], self.num_heads, self.head_size)
