"""One hybrid block: window attention and delta attention side by side, then an MLP.

Shapes: B rows, S patches, d width of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from brain.blocks.mixer import MixerOptions, mixers
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.mixer import Mixer, State
    from brain.blocks.span import Span
    from brain.models.agiformer.spec import AgiformerSpec
    from brain.online.sequence_network import NetworkState, Watch


class HybridBlock(nn.Module):
    """x ← x + attention(norm x) + linear(norm x); x ← x + mlp(norm x).

    Attention sees each of the last patches as it was; the matrix state of the delta attention keeps what is older.
    """

    def __init__(self, spec: AgiformerSpec, number: int) -> None:
        super().__init__()
        config, self.path = spec.config, f"blocks.{number}"
        options = MixerOptions(num_heads=config.num_heads, window=config.window)
        self.attention: Mixer = mixers.get("attention").load().of(config.hidden_size, options)
        self.linear: Mixer = mixers.get(config.linear).load().of(config.hidden_size, options)
        self.mlp = MLP(config.hidden_size, **spec.units(f"{self.path}.mlp"))

    @property
    def module_names(self) -> tuple[str, str, str]:
        """What can be watched and nudged, from input to output."""
        return f"{self.path}.attention", f"{self.path}.linear", f"{self.path}.mlp"

    def mixers(self) -> dict[str, Mixer]:
        """Those that carry state, by name."""
        return {f"{self.path}.attention": self.attention, f"{self.path}.linear": self.linear}

    def forward(
        self,
        x: Tensor,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        alone: Tensor | None,
        watch: Watch | None,
    ) -> tuple[Tensor, NetworkState]:
        """The stream (B, S, d) behind the block, and what changed in its states.

        `alone` is what its modules read in place of the stream once the wires between them are cut.
        """
        normed, stream = rms_norm(x if alone is None else alone, span.dtype), x
        update: NetworkState = {}
        for name, mixer in self.mixers().items():
            y, update[name] = mixer(normed, span, None if state is None else state[name])
            stream = stream + (y if watch is None else watch(name, y))
        y = cast("Tensor", self.mlp(rms_norm(stream if alone is None else alone, span.dtype)))
        return stream + (y if watch is None else watch(self.module_names[-1], y)), update
