"""The TARS network: embedding, blocks around a residual stream, the embedding again as head, self model.

Shapes: B rows, T positions, d width of the residual stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from brain.blocks.adapters import LowRankExperts, Routing
from brain.blocks.bigram import NO_BYTE
from brain.blocks.byte_step import as_they_are, serves
from brain.blocks.embedding import draw_embedding, new_embedding
from brain.blocks.linear import Linear
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.blocks.refinement import RefinementStep
from brain.blocks.self_model import SELF_MODEL, predict_states
from brain.blocks.span import last_read
from brain.blocks.unit_layer import declared_site
from brain.models.tars.tars_block import TarsBlock
from brain.models.tars.tars_byte_reader import OneByte
from brain.online.sequence_network import Auxiliary, AuxiliaryLoss, Pass, SequenceNetwork
from brain.optim.parameter_groups import ParamGroup, groups_of_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.blocks.mixer import State
    from brain.blocks.span import Span
    from brain.codecs.codec import Symbols
    from brain.growth.site import Site
    from brain.models.tars.spec import TarsSpec
    from brain.online.sequence_network import NetworkState, Watch

READER = "reader"
NOT_DEEPER = "a block of this brain is born with it"


@dataclass(frozen=True)
class TarsPass(Pass):
    """A pass, and what its blocks chose: experts, and refinement steps of each position (B, T)."""

    routing: tuple[Routing, ...]
    taken: tuple[Tensor, ...]


class TarsNetwork(SequenceNetwork):
    """Predicts every byte of a row from what came before it, and from its own state the next state.

    The head is the embedding again, behind a matrix that begins at zero and so lets a newborn guess evenly.
    """

    def __init__(self, spec: TarsSpec) -> None:
        super().__init__()
        config = spec.config
        self.spec, self.logit_cap = spec, config.logit_cap
        self.embedding = new_embedding(config.hidden_size)
        self.blocks = nn.ModuleList(TarsBlock(spec, number) for number in range(config.num_layers))
        self.readout = Linear(config.hidden_size, config.hidden_size, zero=True)
        self.self_model = (
            MLP(config.hidden_size, **spec.units(SELF_MODEL)) if config.self_model_size else None
        )
        self._reader: OneByte | None = None
        self.module_names = tuple(name for block in self.stack() for name in block.module_names)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding; every other part draws its own."""
        draw_embedding(self.embedding, generator)

    def stack(self) -> list[TarsBlock]:
        """Blocks from input to output."""
        return list(self.blocks)  # type: ignore[arg-type]

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> NetworkState:
        """Carried state of fresh rows, constant in size; part `reader` holds the last byte, NO_BYTE without one."""
        last = torch.full((rows, 1), NO_BYTE, device=device, dtype=torch.int64)
        return {READER: {"bytes": last}} | {
            block.path: block.core.new_state(rows, device=device, dtype=dtype) for block in self.stack()
        }

    def forward(
        self,
        symbols: Symbols,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        watch: Watch | None = None,
    ) -> Pass:
        """Predict bytes (B, T); `state` holds the B rows and is None when all are fresh."""
        alone = None if watch is not None or self.severed else self._one_byte(symbols.ids, span, state)
        if alone is not None:
            return alone
        line = self._line(symbols.ids, span, None if state is None else state[READER])
        x = entry = rms_norm(functional.embedding(line[:, : span.length], self.embedding))
        update: NetworkState = {READER: {"bytes": last_read(line, 1, span.lengths)}}
        first_value: Tensor | None = None
        routing, taken = [], []
        for block in self.stack():
            done = block(
                x,
                span,
                None if state is None else state[block.path],
                first_value=first_value,
                alone=entry if self.severed else None,
                watch=watch,
            )
            x, update[block.path] = done.x, done.update
            first_value = done.value if first_value is None else first_value
            routing.append(done.routing)
            taken.append(done.taken)
        states = rms_norm(x)
        return TarsPass(
            states=states,
            logits=functional.linear(
                self.readout(states.to(span.dtype)), self.embedding[:NO_BYTE].to(span.dtype)
            ),
            update=update,
            routing=tuple(routing),
            taken=tuple(taken),
        )

    def _one_byte(self, ids: Tensor, span: Span, state: Mapping[str, State] | None) -> Pass | None:
        """A single position that nothing learns from, by compiled loops; None where they do not serve."""
        suits = state is not None and as_they_are([self.readout])
        loops = serves(span, ids, self.embedding) if suits else None
        if loops is None or state is None:
            return None
        if self._reader is None:
            self._reader = OneByte(self)
        line = torch.cat([state[READER]["bytes"], ids.long()], dim=1)
        states, logits, update = self._reader.read(loops, int(line[0, 0]), state)
        return Pass(states=states, logits=logits, update={READER: {"bytes": line[:, 1:]}} | update)

    def advance(self, update: NetworkState, ids: Tensor) -> None:
        """The byte (R,) at the last position of the pass is known now."""
        update[READER]["bytes"][:, 0] = ids

    def auxiliary(self, done: Pass, read: Tensor, dtype: torch.dtype) -> Auxiliary:
        """Experts are to be chosen equally often, refinement is to be worth its steps, the next state is predicted."""
        assert isinstance(done, TarsPass)
        config, num_read = self.spec.config, read.sum().clamp(min=1)
        imbalance = torch.stack([one.imbalance(read) for one in done.routing]).mean()
        steps = torch.stack([one.masked_fill(~read, 0.0).sum() for one in done.taken]).mean() / num_read
        losses = {
            "balance": AuxiliaryLoss(value=imbalance, weight=config.balance_weight),
            "refinement": AuxiliaryLoss(value=steps, weight=config.pool_weight),
        }
        if self.self_model is None:
            return Auxiliary(losses=losses)
        loss, predicted = predict_states(self.self_model, done.states, read, dtype)
        losses[SELF_MODEL] = AuxiliaryLoss(value=loss, weight=config.self_model_weight)
        return Auxiliary(losses=losses, predicted_states=predicted)

    def param_groups(self) -> tuple[ParamGroup, ...]:
        """Matrices between hidden layers, the rest, the self model; what does not learn in its phase."""
        return groups_of_blocks(
            self,
            self_model=self.self_model,
            no_matrices=self._between_no_layers(),
            learns=lambda one: self.spec.learns(one.name),
        )

    def _between_no_layers(self) -> set[nn.Module]:
        """Routers and gates of refinement: their matrices are none between hidden layers."""
        routers: set[nn.Module] = {part.router for part in self.modules() if isinstance(part, LowRankExperts)}
        return routers | {part.gate for part in self.modules() if isinstance(part, RefinementStep)}

    def sites(self) -> dict[str, Site]:
        """Hidden layers of refinement steps and of the self model."""
        layers: list[tuple[str, MLP]] = [found for block in self.stack() for found in block.unit_layers()]
        places = {name: place for place, (name, _) in enumerate(layers)}
        if self.self_model is not None:
            layers.append((SELF_MODEL, self.self_model))
            places[SELF_MODEL] = len(places) + 1
        return {
            name: declared_site(
                name,
                layer,
                place=places[name],
                not_deeper=NOT_DEEPER,
                frozen=not self.spec.learns(f"{name}.out.weight"),
                why_frozen=f"frozen: phase {self.spec.config.phase} does not train it",
            )
            for name, layer in layers
        }

    def _line(self, rows: Tensor, span: Span, reader: State | None) -> Tensor:
        """The byte before each position, and the last: (B, 1 + T)."""
        if reader is None:
            before = torch.full((len(rows), 1), NO_BYTE, device=rows.device, dtype=torch.int64)
        else:
            before = reader["bytes"].masked_fill((span.position == 0)[:, None], NO_BYTE)
        return torch.cat([before, rows.long()], dim=1)
