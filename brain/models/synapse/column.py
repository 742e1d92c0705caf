"""A column: a further, narrower network beside one that is frozen, which it reads from but cannot change.

What learns on a new kind of text overwrites what was learned from the old one, because both move the same
weights. A progressive network never changes the old weights: all that is there is frozen, and a new column
is born beside it. At each depth it reads the streams of all older columns, through a lateral link to each, so it
need not learn again what they know; its logits are added to theirs. No gradient flows back through the links. The
price is size, since a frozen column never gets smaller; and as no label tells which text is old, the young column
adds its logits on old text too, where replay must teach it to keep them small.

Source: Rusu et al. 2016, "Progressive neural networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.embedding import draw_embedding, new_embedding
from brain.blocks.linear import Linear
from brain.blocks.norm import rms_norm
from brain.models.synapse.growth_sites import BORN_MIXER
from brain.models.synapse.synapse_block import Block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from brain.blocks.mixer import State
    from brain.blocks.span import Span
    from brain.models.synapse.stack_spec import StackSpec
    from brain.online.sequence_network import Watch


@dataclass(frozen=True)
class ColumnPass:
    """What a column gives: logits (B, T, 256) to be added, its stream (B, T, w) at each depth, its new state."""

    logits: Tensor
    stream: list[Tensor]
    update: dict[str, State]


class Column(nn.Module):
    """Embedding, as many blocks as the trunk has, lateral links from every older column, and a byte head.

    The head begins at zero, so that nothing changes at birth; the rest is drawn, so that the head has a gradient
    from the first step and the rest from the second.

    Args:
        spec: the brain's architecture, this column in it.
        number: from 0, in the order of birth.
    """

    def __init__(self, spec: StackSpec, number: int) -> None:
        super().__init__()
        width = spec.columns[number]
        older = (spec.config.hidden_size, *spec.columns[:number])
        paths = spec.column_paths(number)
        self.embedding = new_embedding(width)
        self.blocks = nn.ModuleList(Block(spec, path, BORN_MIXER, width) for path in paths)
        self.laterals = nn.ModuleList(nn.ModuleList(Linear(size, width) for size in older) for _ in paths)
        self.head = Linear(width, 256, zero=True)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding; every other part draws its own."""
        draw_embedding(self.embedding, generator)

    def stack(self) -> list[Block]:
        """Its blocks from input to output."""
        return list(self.blocks)  # type: ignore[arg-type]

    def forward(
        self,
        last: Tensor,
        older: Sequence[Sequence[Tensor]],
        span: Span,
        state: Mapping[str, State] | None,
        *,
        severed: bool,
        watch: Watch | None,
    ) -> ColumnPass:
        """Read the byte before each position, `last` (B, T), and the streams of all older columns by depth.

        Severed, its modules read the byte alone; through the links older columns still reach its head.
        """
        x = entry = rms_norm(functional.embedding(last, self.embedding))
        stream: list[Tensor] = []
        update: dict[str, State] = {}
        for depth, (block, laterals) in enumerate(zip(self.blocks, self.laterals, strict=True)):
            assert isinstance(block, Block)
            assert isinstance(laterals, nn.ModuleList)
            for lateral, other in zip(laterals, older, strict=True):
                x = x + lateral(rms_norm(other[depth].detach(), span.dtype))
            name = f"{block.path}.mixer"
            own = None if state is None else state[name]
            x, update[name] = block(x, span, own, alone=entry if severed else None, watch=watch)
            stream.append(x)
        return ColumnPass(logits=self.head(rms_norm(x, span.dtype)), stream=stream, update=update)
