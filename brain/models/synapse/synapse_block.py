"""One block of a SYNAPSE stream: a mixer over positions, then an MLP with the experts beside it.

Shapes: B rows, T positions, d width of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from brain.blocks.experts import Expert, Experts
from brain.blocks.linear import Linear
from brain.blocks.mixer import MixerOptions, mixers
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.blocks.mixer import Mixer, State
    from brain.blocks.span import Span
    from brain.blocks.unit_layer import UnitLayer
    from brain.blocks.workspace import Board
    from brain.models.synapse.stack_spec import StackSpec
    from brain.online.sequence_network import Watch


class Block(nn.Module):
    """x ← x + mixer(norm x); x ← x + mlp(norm x) + experts(norm x); with a workspace, what is recalled joins each norm.

    Args:
        spec: sizes of its sites.
        path: what its weights' names begin with, such as `blocks.0`.
        mixer: kind of its mixer.
        size: width d of its stream.
    """

    def __init__(self, spec: StackSpec, path: str, mixer: str, size: int) -> None:
        super().__init__()
        self.path, self.mlp_path, self.size = path, f"{path}.mlp", size
        self.mixer = _mixer(spec, path, mixer, size)
        self.mlp = MLP(size, **spec.units(f"{path}.mlp"))
        self.experts = Experts(Expert(size, **spec.units(site)) for site in spec.experts_of(path))
        reads = path in spec.workspace_readers()
        self.recall = Linear(spec.workspace_size, size, zero=True) if reads else None

    def forward(
        self,
        x: Tensor,
        span: Span,
        state: State | None,
        *,
        alone: Tensor | None,
        watch: Watch | None,
        board: Board | None = None,
    ) -> tuple[Tensor, State]:
        """The stream (B, T, d) behind the block, and what changed in the mixer's state.

        `alone` is what its modules read in place of the stream once the wires between modules are cut. To the
        workspace, `board`, both modules write; what the block finds there both read beside the stream.
        """
        normed = rms_norm(x if alone is None else alone, span.dtype)
        recalled = None
        if board is not None and self.recall is not None:
            recalled = self.recall(board.read(self.path, normed))
        if alone is not None:
            recalled = None
        y, update = self.mixer(normed if recalled is None else normed + recalled, span, state)
        mixed = y if watch is None else watch(f"{self.path}.mixer", y)
        x = x + mixed
        normed = rms_norm(x if alone is None else alone, span.dtype)
        if recalled is not None:
            normed = normed + recalled
        y = self.experts(normed, self.mlp(normed))
        mapped = y if watch is None else watch(f"{self.path}.mlp", y)
        x = x + mapped
        if board is not None:
            board.write(mixed, mapped, stream=x)
        return x, update

    def unit_layers(self) -> Iterator[tuple[str, UnitLayer, bool]]:
        """Its growth sites by name, the layer of each, and whether it stands beside the one before."""
        if self.mixer.has_units:
            yield f"{self.path}.mixer", cast("UnitLayer", self.mixer), False
        yield self.mlp_path, self.mlp, False
        for number, expert in enumerate(self.experts):
            yield f"{self.path}.experts.{number}", cast("UnitLayer", expert), True


def _mixer(spec: StackSpec, path: str, kind: str, size: int) -> Mixer:
    site = f"{path}.mixer"
    options = MixerOptions(
        **spec.attention(size),
        **(spec.units(site) if site in spec.sites else {}),
    )
    return cast("Mixer", mixers.get(kind).load().of(size, options))
