"""The SYNAPSE network: embedding, blocks of mixer and MLP around a residual stream, byte head, self model.

Columns that were born later stand beside all this and add to what it says.

Shapes: B rows, T positions, d width of the residual stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.bigram import NO_BYTE, Bigram
from brain.blocks.embedding import draw_embedding, new_embedding
from brain.blocks.experts import Expert
from brain.blocks.linear import Linear
from brain.blocks.mingru import MinGRU
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.growth.operators import UnitTensors
from brain.models.synapse.block import Block
from brain.models.synapse.column import Column
from brain.models.synapse.sites import SELF_MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.mixer import Mixer, State
    from brain.blocks.span import Span
    from brain.models.synapse.block import Watch
    from brain.models.synapse.spec import SynapseSpec

NetworkState = dict[str, "State"]


@dataclass(frozen=True)
class Pass:
    """What a pass gives: normed states (B, T, d), logits (B, T, 256) before the cap, changes of state.

    The states are the trunk's, also beside a column: so what the self model predicts keeps its width through every
    growth, and a self model that knew its brain goes on knowing it.
    """

    states: Tensor
    logits: Tensor
    update: NetworkState


class SynapseNetwork(nn.Module):
    """Predicts every byte of a row from what came before it, and from its own state the next state.

    Beside a column all older weights are frozen: they ask for no gradient.
    """

    def __init__(self, spec: SynapseSpec) -> None:
        super().__init__()
        config = spec.config
        self.config, self._spec = config, spec
        size = config.hidden_size
        self.embedding = new_embedding(size)
        self.bigram = Bigram(config.bigram_size, size) if config.bigram_size else None
        self.blocks = nn.ModuleList(
            Block(spec, f"blocks.{index}", kind, size) for index, kind in enumerate(spec.layers)
        )
        self.head = Linear(size, 256, zero=True)
        self.self_model = MLP(size, **spec.units(SELF_MODEL))
        self.columns = nn.ModuleList(Column(spec, number) for number in range(len(spec.columns)))
        self.severed = False  # every module hears the input alone: a null control of vital signs
        for name, weight in self.named_parameters():
            weight.requires_grad_(not spec.is_frozen(name))

    @property
    def module_names(self) -> tuple[str, ...]:
        """The workspace's modules, in the order in which they speak; experts speak as part of their MLP."""
        return tuple(f"{block.path}.{part}" for block in self._blocks() for part in ("mixer", "mlp"))

    def hidden_matrices(self) -> frozenset[str]:
        """Names of the matrices between hidden layers; not embeddings, tables, gates of experts or byte heads."""
        apart = {self.head, *(column.head for column in self.columns)}
        apart |= {expert.gate for expert in self.modules() if isinstance(expert, Expert)}
        return frozenset(
            f"{name}.weight"
            for name, module in self.named_modules()
            if isinstance(module, Linear) and module not in apart and not name.startswith("bigram.")
        )

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding; every other part draws its own."""
        draw_embedding(self.embedding, generator)

    def mixers(self) -> dict[str, Mixer]:
        """The mixers that carry state, by name."""
        return {f"{block.path}.mixer": block.mixer for block in self._blocks()}

    def growth_modules(self) -> dict[str, nn.Module]:
        """The module behind each growth site that is not frozen beside a column, from input to output."""
        found = dict(site for block in self._blocks() for site in block.growth_modules())
        return {site: module for site, module in found.items() if not self._spec.is_frozen(site)} | {
            SELF_MODEL: self.self_model
        }

    def unit_tensors(self, site: str) -> UnitTensors:
        """Names of the tensors in which the units of a site lie."""
        module = self.get_submodule(site)
        assert isinstance(module, MLP | MinGRU)
        return UnitTensors(
            incoming=tuple(f"{site}.{part}.weight" for part in module.feeds),
            outgoing=(f"{site}.out.weight",),
            carried=tuple(f"{site}.{part}" for part in module.unit_state),
        )

    def unit_axes(self) -> dict[str, int]:
        """Axis of units of every parameter whose units are not all of one age."""
        return {
            name: axis
            for site in self._spec.widened()
            if not self._spec.is_frozen(site)
            for name, axis in self.unit_tensors(site).axes.items()
        }

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> NetworkState:
        """Carried state of fresh rows, constant in size: by part, then by tensor, rows first.

        Part `reader` holds `bytes` (rows, 2), the last two read, NO_BYTE where there is none, and `position`
        (rows,).
        """
        reader = {
            "bytes": torch.full((rows, 2), NO_BYTE, device=device, dtype=torch.int64),
            "position": torch.zeros(rows, device=device, dtype=torch.int64),
        }
        parts = {
            name: mixer.new_state(rows, device=device, dtype=dtype) for name, mixer in self.mixers().items()
        }
        return {"reader": reader} | parts

    def forward(
        self,
        rows: Tensor,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        valid: Tensor | None = None,
        watch: Watch | None = None,
    ) -> Pass:
        """Predict uint8 rows (B, T); `state` holds the B rows and is None when all are fresh.

        `valid` (B, T) is False on padding, which then touches no row of the bigram table.
        """
        previous, last, last_bytes = self._heard(rows, span, None if state is None else state["reader"])
        x = entry = self._entry(previous, last, span, valid)
        update: NetworkState = {"reader": {"bytes": last_bytes, "position": span.position + span.length}}
        stream: list[Tensor] = []
        for block in self._trunk():
            name = f"{block.path}.mixer"
            own = None if state is None else state[name]
            x, update[name] = block(x, span, own, alone=entry if self.severed else None, watch=watch)
            if self.columns:
                stream.append(x)
        states = rms_norm(x)
        logits = self.head(states.to(span.dtype))
        older = [stream]
        for column in self.columns:
            done = column(last, older, span, state, severed=self.severed, watch=watch)
            logits = logits + done.logits
            older.append(done.stream)
            update |= done.update
        return Pass(states=states, logits=logits, update=update)

    def commit(self, state: NetworkState, rows: Tensor, update: Mapping[str, State]) -> None:
        """Write the changes of a pass, already narrowed to len(rows) rows, into rows `rows` of `state`."""
        for name, value in update["reader"].items():
            state["reader"][name].index_copy_(0, rows, value)
        for name, mixer in self.mixers().items():
            mixer.commit(state[name], rows, update[name], update["reader"]["position"])

    def _heard(self, rows: Tensor, span: Span, reader: State | None) -> tuple[Tensor, Tensor, Tensor]:
        """The byte but one and the byte before each position, (B, T) each, and the last two read, (B, 2)."""
        if reader is None:
            before = torch.full((len(rows), 2), NO_BYTE, device=rows.device, dtype=torch.int64)
        else:
            before = reader["bytes"].masked_fill((span.position == 0)[:, None], NO_BYTE)
        read = torch.cat([before, rows.long()], dim=1)  # (B, T + 2)
        return read[:, : span.length], read[:, 1 : span.length + 1], read[:, span.length :]

    def _entry(self, previous: Tensor, last: Tensor, span: Span, valid: Tensor | None) -> Tensor:
        """Embed what stands before each position: (B, T, d)."""
        x = functional.embedding(last, self.embedding)
        if self.bigram is not None:
            x = x + self.bigram(previous, last, valid, span.dtype)
        return rms_norm(x)

    def _trunk(self) -> list[Block]:
        """Blocks of the trunk from input to output."""
        return [self.blocks[index] for index in self._spec.order]  # type: ignore[misc]

    def _blocks(self) -> list[Block]:
        """All blocks in the order in which they speak: the trunk's, then each column's."""
        return [*self._trunk(), *(block for column in self.columns for block in column.blocks)]  # type: ignore[union-attr]
