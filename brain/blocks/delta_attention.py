"""Delta attention: a matrix state that decays, and of which each position overwrites what its key finds.

S_t = (I − β_t k_t k_tᵀ) diag(w_t) S_{t−1} + β_t k_t v_tᵀ,  o_t = S_tᵀ q_t

Shapes: B rows, T positions, d width, H heads of K channels, d = H K.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.convolution import WIDTH, CausalConv
from brain.blocks.delta_scan import DeltaStep
from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, MixerOptions, State, mixers
from brain.blocks.norm import rms_norm
from brain.blocks.recurrences import delta_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span

FASTEST = -4.0  # log decay of a position is between this and 0: e⁻⁴ forgets all, and float32 holds 16 of them
CHUNK = 16
SLOWEST_AT_START, FASTEST_AT_START = (
    1.5e-3,
    0.18,
)  # decay a position at the start: half-lives of 460 positions to 4


def delta_attention(
    *, query: Tensor, key: Tensor, value: Tensor, log_decay: Tensor, strength: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """Reads (B, T, H, V) and the last state (B, H, K, V) of the recurrence above.

    Args:
        query: q (B, T, H, K), scaled already.
        key: k (B, T, H, K), of length 1.
        value: v (B, T, H, V).
        log_decay: log w (B, T, H, K), or (B, T, H, 1) for one decay a head; at least −4.
        strength: β (B, T, H, 1).
        initial: a state.
    """
    log_decay, written = log_decay.expand_as(key), strength * key
    step = DeltaStep(
        log_decay=log_decay,
        erase=-key * log_decay.exp(),  # the state is read once it has decayed
        back=written,
        key=written,
        value=value,
        read=query,
    )
    return delta_rule(step, initial, chunk=CHUNK)


@mixers.register("kda", builds="brain.blocks.delta_attention:KimiDeltaAttention")
class KimiDeltaAttention(Mixer):
    """Convolution over queries, keys and values; decay by channel; norm of each head, gate, out-projection.

    log w = −4 σ(raw). State: hidden (R, H, K, K) and tail (R, 3, 3 d), in float32.
    Source: Kimi Team 2025, "Kimi Linear", whose decay is bounded here.
    """

    by_channel: ClassVar[bool] = True

    @classmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """Its sizes follow from the stream's width alone."""
        del options
        return cls(size)

    def __init__(self, size: int, *, head_size: int = 64) -> None:
        super().__init__()
        self.size, self.head_size = size, math.gcd(head_size, size)
        self.num_heads = size // self.head_size
        self.qkv = Linear(size, 3 * size)
        self.conv = CausalConv(3 * size)
        self.strength = Linear(size, self.num_heads)
        decays = size if self.by_channel else self.num_heads
        self.narrow = Linear(size, 2 * self.head_size)  # half for decays, half for the gate
        self.decay = Linear(self.head_size, decays, zero=True)
        self.decay_bias = nn.Parameter(torch.empty(decays))
        self.gate = Linear(self.head_size, size)
        self.out = Linear(size, size, zero=True)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Decays even in the logarithm."""
        del generator  # spread, not drawn
        even = torch.linspace(math.log(SLOWEST_AT_START), math.log(FASTEST_AT_START), len(self.decay_bias))
        self.decay_bias.copy_(torch.logit(even.exp() / -FASTEST))

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """All zeros."""
        wide = torch.promote_types(dtype, torch.float32)
        shape = (rows, self.num_heads, self.head_size, self.head_size)
        return {
            "hidden": torch.zeros(shape, device=device, dtype=wide),
            "tail": torch.zeros(rows, WIDTH - 1, 3 * self.size, device=device, dtype=wide),
        }

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Run the chunked scan over the span, in at least float32."""
        wide = torch.promote_types(x.dtype, torch.float32)
        if state is None:
            state = self.new_state(len(x), device=x.device, dtype=wide)
        tail, hidden = span.keep(state["tail"]), span.keep(state["hidden"]).to(wide)
        mixed, tail = self.conv(self.qkv(x), tail, span.lengths)
        heads = functional.silu(mixed).to(wide).view(*x.shape[:2], 3, self.num_heads, self.head_size)
        query, key, value = heads.unbind(2)
        to_decay, to_gate = self.narrow(x).chunk(2, dim=-1)
        raw = self.decay(to_decay).to(wide) + self.decay_bias
        # Behind the end of its row a position neither decays the state nor writes to it.
        y, hidden = delta_attention(
            query=functional.normalize(query, dim=-1) * self.head_size**-0.5,
            key=functional.normalize(key, dim=-1),
            value=value,
            log_decay=span.counted_only(FASTEST * torch.sigmoid(raw)).view(*x.shape[:2], self.num_heads, -1),
            strength=span.counted_only(torch.sigmoid(self.strength(x).to(wide))).unsqueeze(-1),
            initial=hidden,
        )
        gated = rms_norm(y, x.dtype).flatten(2) * torch.sigmoid(self.gate(to_gate))
        return self.out(gated), {"hidden": hidden, "tail": tail}


@mixers.register("gated_delta", builds="brain.blocks.delta_attention:GatedDeltaAttention")
class GatedDeltaAttention(KimiDeltaAttention):
    """The same with one decay a head. Source: Yang et al. 2024, "Gated delta networks", whose decay is bounded here."""

    by_channel = False
