"""minGRU mixer: causal convolution, a gated linear recurrence of H hidden units, an out-projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks.convolution import WIDTH, CausalConv
from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, MixerOptions, State, mixers
from brain.blocks.scan import linear_scan
from brain.blocks.span import last_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span


def positive(x: Tensor) -> Tensor:
    """g(x) = x + ½ for x ≥ 0, else σ(x): continuous, positive, unbounded above.

    >>> positive(torch.tensor([0.0, 2.0])).tolist()
    [0.5, 2.5]
    """
    # One expression for both branches; its gradient at 0 is ¼, never 0, so a unit born with zero weights can learn.
    return torch.sigmoid(x.clamp(max=0.0)) + functional.relu(x)


@mixers.register("mingru", builds="brain.blocks.mingru:MinGRU")
class MinGRU(Mixer):
    """h_t = (1 − z_t) h_{t−1} + z_t g(h̃_t) with z = σ(W_z u), h̃ = W_h u, u = conv4(x); y = W_o h.

    `hidden` units H are a growth site: rows of gate and candidate, columns of out; `born_hidden` of them were
    there from the start.
    State: hidden (R, H), tail (R, 3, d), in float32. Source: Feng et al. 2024, "Were RNNs all we needed?".
    """

    feeds: ClassVar[tuple[str, ...]] = ("gate", "candidate")  # a row for each unit; `out` has a column
    unit_state: ClassVar[tuple[str, ...]] = ("hidden",)

    has_units = True

    @classmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """As many hidden units as the stream is wide, unless given otherwise."""
        hidden = size if options.hidden is None else options.hidden
        return cls(size, hidden=hidden, born_hidden=options.born_hidden)

    def __init__(self, size: int, *, hidden: int, born_hidden: int | None = None) -> None:
        super().__init__()
        self.size, self.hidden = size, hidden
        self.born_hidden = hidden if born_hidden is None else born_hidden
        self.conv = CausalConv(size)
        self.gate = Linear(size, hidden)
        self.candidate = Linear(size, hidden)
        self.out = Linear(hidden, size, zero=True, num_existing=born_hidden)

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """All zeros."""
        wide = torch.promote_types(dtype, torch.float32)
        return {
            "hidden": torch.zeros(rows, self.hidden, device=device, dtype=wide),
            "tail": torch.zeros(rows, WIDTH - 1, self.size, device=device, dtype=wide),
        }

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Run the recurrence over the span; the scan itself is in at least float32."""
        wide = torch.promote_types(x.dtype, torch.float32)
        if state is None:
            tail, hidden = None, x.new_zeros(x.shape[0], self.hidden, dtype=wide)
        else:
            tail, hidden = span.keep(state["tail"]), span.keep(state["hidden"]).to(wide)
        u, tail = self.conv(x, tail, span.lengths)
        z = torch.sigmoid(self.gate(u).to(wide))
        states = linear_scan(1.0 - z, z * positive(self.candidate(u).to(wide)), hidden)
        y = self.out(states.to(x.dtype))
        if span.lengths is None:
            return y, {"hidden": states[:, -1], "tail": tail}
        reached = last_read(torch.cat([hidden.unsqueeze(1), states], dim=1), 1, span.lengths)
        return y, {"hidden": reached[:, 0], "tail": tail}

    def candidates(self, x: Tensor, gate: Tensor, candidate: Tensor) -> Tensor:
        """Activations for x (B, T, d) of units that might be born with these rows (K, d): (B, T, K)."""
        u, _ = self.conv(x.to(torch.promote_types(x.dtype, torch.float32)), None)
        z = torch.sigmoid(u @ gate.T)
        return linear_scan(1.0 - z, z * positive(u @ candidate.T), u.new_zeros(len(u), len(gate)))
