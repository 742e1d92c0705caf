"""Two recurrences over one stream, fused channel by channel: state space (Mamba-2) and WKV (RWKV-7).

    u = y_ssd,   v = W_up y_wkv,   g = σ(W₂ GELU(W₁ [u; v])),   y = W_out norm((g u + (1 − g) v) ⊙ SiLU(z))

The state space recalls with a matrix that fades as a whole; the WKV tracks states, since it can erase along a
direction before it writes. Both read the same input; the gate, norm and out-projection are the state space's own.

Source: Dao & Gu 2024; Peng et al. 2025; the fusion after "WuNeng" (arXiv 2504.19191).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks.linear import Linear
from brain.blocks.mixer import Mixer, MixerOptions, State, mixers
from brain.blocks.rwkv7 import RWKV7
from brain.blocks.ssd import SSD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span

SSD_PART, WKV_PART = "ssd_", "wkv_"  # what the names of their tensors begin with in the state


@mixers.register("fusion", builds="brain.blocks.fusion:FusedRecurrence")
class FusedRecurrence(Mixer):
    """As the module says. State: `ssd_hidden`, `ssd_tail`, `wkv_hidden`, `wkv_tail`, as the two have them.

    Both recurrences are fused at width 2 d. With `values_mixed` the WKV takes part of its values from `first_value`.
    """

    @classmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """Its sizes follow from the stream's width alone."""
        del options
        return cls(size)

    def __init__(
        self, size: int, *, head_size: int = 64, state_size: int = 64, values_mixed: bool = False
    ) -> None:
        super().__init__()
        self.ssd = SSD(size, head_size=head_size, state_size=state_size)
        self.wkv = RWKV7(size, head_size=head_size, values_mixed=values_mixed, out_size=self.ssd.inner)
        self.fuse_down = Linear(2 * self.ssd.inner, max(1, size // 4))
        self.fuse_up = Linear(max(1, size // 4), self.ssd.inner)

    @property
    def out(self) -> Linear:
        """The out-projection of both."""
        return self.ssd.out

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """All zeros."""
        parts = {SSD_PART: self.ssd, WKV_PART: self.wkv}
        return {
            f"{prefix}{name}": value
            for prefix, part in parts.items()
            for name, value in part.new_state(rows, device=device, dtype=dtype).items()
        }

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Run both over the span."""
        y, update, _ = self.mix(x, span, state)
        return y, update

    def mix(
        self,
        x: Tensor,
        span: Span,
        state: Mapping[str, Tensor] | None,
        *,
        first_value: Tensor | None = None,
    ) -> tuple[Tensor, State, Tensor]:
        """As `forward`, and the values of the WKV as they were before they were mixed with `first_value`."""
        recalled, gate, ssd_update = self.ssd.recall(x, span, _part(state, SSD_PART))
        tracked, wkv_update, value = self.wkv.mix(x, span, _part(state, WKV_PART), first_value=first_value)
        both = torch.cat([recalled.to(x.dtype), tracked], dim=-1)
        share = torch.sigmoid(self.fuse_up(functional.gelu(self.fuse_down(both))).to(recalled.dtype))
        fused = torch.lerp(tracked.to(recalled.dtype), recalled, share)
        update = {f"{SSD_PART}{name}": new for name, new in ssd_update.items()}
        update |= {f"{WKV_PART}{name}": new for name, new in wkv_update.items()}
        return self.ssd.project(fused, gate, x.dtype), update, value


def _part(state: Mapping[str, Tensor] | None, prefix: str) -> State | None:
    if state is None:
        return None
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
