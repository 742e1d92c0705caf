"""One block of a SYNAPSE stream: a mixer over positions, then an MLP with the experts beside it.

Shapes: B rows, T positions, d width of the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from brain.blocks.attention import WindowAttention
from brain.blocks.experts import Expert, Experts
from brain.blocks.mingru import MinGRU
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.blocks.ssd import SSD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.blocks.mixer import Mixer, State
    from brain.blocks.span import Span
    from brain.models.synapse.spec import SynapseSpec

Watch = Callable[[str, Tensor], Tensor]
"""Called with a module's name and its output (B, T, d); what it returns is read by everything downstream."""


class Block(nn.Module):
    """x ← x + mixer(norm x); x ← x + mlp(norm x) + experts(norm x).

    Args:
        spec: sizes of its sites.
        path: what its weights' names begin with, such as `blocks.0`.
        mixer: kind of its mixer.
        size: width d of its stream.
    """

    def __init__(self, spec: SynapseSpec, path: str, mixer: str, size: int) -> None:
        super().__init__()
        self.path = path
        self.mixer = _mixer(spec, path, mixer, size)
        self.mlp = MLP(size, **spec.units(f"{path}.mlp"))
        self.experts = Experts(Expert(size, **spec.units(site)) for site in spec.experts_of(path))

    def forward(
        self, x: Tensor, span: Span, state: State | None, *, alone: Tensor | None, watch: Watch | None
    ) -> tuple[Tensor, State]:
        """The stream (B, T, d) behind the block, and what changed in the mixer's state.

        `alone` is what its modules hear in place of the stream once the wires between modules are cut.
        """
        y, update = self.mixer(rms_norm(x if alone is None else alone, span.dtype), span, state)
        x = x + (y if watch is None else watch(f"{self.path}.mixer", y))
        heard = rms_norm(x if alone is None else alone, span.dtype)
        y = self.experts(heard, self.mlp(heard))
        return x + (y if watch is None else watch(f"{self.path}.mlp", y)), update

    def growth_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Growth sites by name, with the module behind each."""
        if isinstance(self.mixer, MinGRU):
            yield f"{self.path}.mixer", self.mixer
        yield f"{self.path}.mlp", self.mlp
        for number, expert in enumerate(self.experts):
            yield f"{self.path}.experts.{number}", expert


def _mixer(spec: SynapseSpec, path: str, kind: str, size: int) -> Mixer:
    if kind == "mingru":
        return MinGRU(size, **spec.units(f"{path}.mixer"))
    if kind == "attention":
        heads = spec.config.num_heads or max(1, size // 64)
        return WindowAttention(size, num_heads=heads, window=spec.config.window)
    return SSD(size)
