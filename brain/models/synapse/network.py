"""The SYNAPSE network: embedding, blocks of mixer and MLP around a residual stream, byte head, self model.

Columns that were born later stand beside all this and add to its output.

Shapes: B rows, T positions, d width of the residual stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from brain.blocks.bigram import NO_BYTE, Bigram
from brain.blocks.byte_step import serves
from brain.blocks.embedding import draw_embedding, new_embedding
from brain.blocks.experts import Expert
from brain.blocks.linear import Linear
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.blocks.self_model import SELF_MODEL, predict_states
from brain.blocks.span import last_read
from brain.blocks.workspace import Workspace
from brain.models.synapse.column import Column
from brain.models.synapse.growth_sites import declared_sites
from brain.models.synapse.synapse_block import Block
from brain.models.synapse.synapse_byte_reader import OneByte
from brain.online.sequence_network import Auxiliary, AuxiliaryLoss, Pass, SequenceNetwork
from brain.optim.parameter_groups import ParamGroup, groups_of_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.blocks.mixer import Mixer, State
    from brain.blocks.span import Span
    from brain.codecs.codec import Symbols
    from brain.growth.site import Site
    from brain.models.synapse.stack_spec import StackSpec
    from brain.online.sequence_network import NetworkState, Watch


WORKSPACE = "workspace"


class SynapseNetwork(SequenceNetwork):
    """Predicts every byte of a row from what came before it, and from its own state the next state.

    The states it reports are the trunk's, also beside a column: so what the self model predicts keeps its width
    through every growth, and a self model that knew its brain still knows it. Beside a column all older weights
    are frozen: they ask for no gradient.
    """

    def __init__(self, spec: StackSpec) -> None:
        super().__init__()
        config = spec.config
        self.spec, self.logit_cap = spec, config.logit_cap
        size = config.hidden_size
        self.embedding = new_embedding(size)
        self.bigram = Bigram(config.bigram_size, size) if config.bigram_size else None
        self.blocks = nn.ModuleList(
            Block(spec, f"blocks.{index}", kind, size) for index, kind in enumerate(spec.layers)
        )
        self.head = Linear(size, 256, zero=True)
        self.self_model = MLP(size, **spec.units(SELF_MODEL))
        self.columns = nn.ModuleList(Column(spec, number) for number in range(len(spec.columns)))
        self.workspace = _workspace(spec)  # last: all else begins as it would without
        for older in self.older_parts():
            older.requires_grad_(False)
        self._reader: OneByte | None = None
        # The workspace's modules, in the order in which they are computed; experts are part of their MLP.
        self.module_names = tuple(
            f"{block.path}.{part}" for block in self._blocks() for part in ("mixer", "mlp")
        )

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding; every other part draws its own."""
        draw_embedding(self.embedding, generator)

    def mixers(self) -> dict[str, Mixer]:
        """The mixers that carry state, by name."""
        return {f"{block.path}.mixer": block.mixer for block in self._blocks()}

    def sites(self) -> dict[str, Site]:
        """Hidden layers of MLPs, of experts, of recurrent mixers and of the self model."""
        return declared_sites(self)

    def param_groups(self) -> tuple[ParamGroup, ...]:
        """Matrices between hidden layers, rows of the bigram table, the rest, the self model; older columns."""
        return groups_of_blocks(
            self,
            self_model=self.self_model,
            no_matrices=self._between_no_layers(),
        )

    def _between_no_layers(self) -> set[nn.Module]:
        """Byte heads, gates of experts and the bigram's parts: their matrices are none between hidden layers."""
        apart: set[nn.Module] = {self.head, *(column.head for column in self.stacks())}
        if self.workspace is not None:
            apart |= {self.workspace.propose, self.workspace.query}
        apart |= {expert.gate for expert in self.modules() if isinstance(expert, Expert)}
        return apart if self.bigram is None else apart | set(self.bigram.modules())

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> NetworkState:
        """Carried state of fresh rows, constant in size: by part, then by tensor, rows first.

        Part `reader` holds `bytes` (rows, 2), the last two read, NO_BYTE where there is none.
        """
        last = torch.full((rows, 2), NO_BYTE, device=device, dtype=torch.int64)
        parts = {
            name: mixer.new_state(rows, device=device, dtype=dtype) for name, mixer in self.mixers().items()
        }
        if self.workspace is not None:
            parts[WORKSPACE] = self.workspace.new_state(rows, device=device, dtype=dtype)
        return {"reader": {"bytes": last}} | parts

    def forward(
        self,
        symbols: Symbols,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        watch: Watch | None = None,
    ) -> Pass:
        """Predict bytes (B, T); `state` holds the B rows and is None when all are fresh."""
        rows, valid = symbols.ids, symbols.valid
        previous, last, last_bytes = self._read(rows, span, None if state is None else state["reader"])
        x = entry = self._entry(previous, last, span, valid)
        update: NetworkState = {"reader": {"bytes": last_bytes}}
        alone = None if watch is not None or self.severed else self._one_byte(x, span, state)
        if alone is not None:
            return Pass(states=alone[0], logits=alone[1], update=update | alone[2])
        stream: list[Tensor] = []
        board = None
        if self.workspace is not None:
            board = self.workspace.board(span, None if state is None else state[WORKSPACE])
            update[WORKSPACE] = board.update
        read_instead = entry if self.severed else None
        for block in self.trunk():
            name = f"{block.path}.mixer"
            own = None if state is None else state[name]
            x, update[name] = block(x, span, own, alone=read_instead, watch=watch, board=board)
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

    def _one_byte(
        self, entry: Tensor, span: Span, state: Mapping[str, State] | None
    ) -> tuple[Tensor, Tensor, NetworkState] | None:
        """A single position that nothing learns from, by compiled loops; None where they do not serve."""
        if state is None or entry.shape[:2] != (1, 1) or torch.is_grad_enabled() or not OneByte.suits(self):
            return None
        loops = serves(span, entry[..., 0], self.head.weight)
        if loops is None:
            return None
        if self._reader is None:
            self._reader = OneByte(self)
        return self._reader.read(loops, entry, state)

    def commit(
        self, state: NetworkState, rows: Tensor, update: Mapping[str, State], position: Tensor
    ) -> None:
        """Write the changes of a pass, already narrowed to len(rows) rows, into rows `rows` of `state`."""
        state["reader"]["bytes"].index_copy_(0, rows, update["reader"]["bytes"])
        for name, mixer in self.mixers().items():
            mixer.commit(state[name], rows, update[name], position)
        for name, slots in update.get(WORKSPACE, {}).items():
            state[WORKSPACE][name].index_copy_(0, rows, slots.to(state[WORKSPACE][name].dtype))

    def advance(self, update: NetworkState, ids: Tensor) -> None:
        """The byte (R,) at the last position of the pass is known now."""
        update["reader"]["bytes"][:, 1] = ids

    def auxiliary(self, done: Pass, read: Tensor, dtype: torch.dtype) -> Auxiliary:
        """The self model's error in predicting the next state; the states cannot be moved by it."""
        loss, predicted = predict_states(self.self_model, done.states, read, dtype)
        return Auxiliary(
            losses={SELF_MODEL: AuxiliaryLoss(value=loss, weight=self.spec.config.self_model_weight)},
            predicted_states=predicted,
        )

    def _read(self, rows: Tensor, span: Span, reader: State | None) -> tuple[Tensor, Tensor, Tensor]:
        """The byte but one and the byte before each position, (B, T) each, and the last two read, (B, 2)."""
        if reader is None:
            before = torch.full((len(rows), 2), NO_BYTE, device=rows.device, dtype=torch.int64)
        else:
            before = reader["bytes"].masked_fill((span.position == 0)[:, None], NO_BYTE)
        read = torch.cat([before, rows.long()], dim=1)  # (B, T + 2)
        behind = last_read(read, 2, span.lengths)
        return read[:, : span.length], read[:, 1 : span.length + 1], behind

    def _entry(self, previous: Tensor, last: Tensor, span: Span, valid: Tensor) -> Tensor:
        """Embed what stands before each position: (B, T, d)."""
        x = functional.embedding(last, self.embedding)
        if self.bigram is not None:
            x = x + self.bigram(previous, last, valid, span.dtype)
        return rms_norm(x)

    def trunk(self) -> list[Block]:
        """Blocks of the trunk from input to output."""
        return [self.blocks[index] for index in self.spec.order]  # type: ignore[misc]

    def older_parts(self) -> list[nn.Module | nn.Parameter]:
        """What a younger column has frozen permanently: all but that column and the self model."""
        if not self.columns:
            return []
        options = [part for part in (self.bigram, self.workspace) if part is not None]
        return [self.embedding, *options, self.blocks, self.head, *self.stacks()[:-1]]

    def stacks(self) -> list[Column]:
        """Columns in the order of their birth."""
        return list(self.columns)  # type: ignore[arg-type]

    def _blocks(self) -> list[Block]:
        """All blocks in the order in which they are computed: the trunk's, then each column's."""
        return [*self.trunk(), *(block for column in self.columns for block in column.blocks)]  # type: ignore[union-attr]


def _workspace(spec: StackSpec) -> Workspace | None:
    """What the blocks of the trunk share, if anything."""
    readers = spec.workspace_readers()
    if not readers:
        return None
    return Workspace(
        spec.config.hidden_size, slots=spec.workspace_slots, width=spec.workspace_size, readers=readers
    )
