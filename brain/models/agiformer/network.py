"""The AGIFORMER network: bytes, patches, hybrid blocks, steps of thinking, and bytes again.

Shapes: B rows, T bytes, S patches that are read in a span, d width of the stream of patches, e of a byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from brain.blocks.bigram import NO_BYTE
from brain.blocks.embedding import draw_embedding, new_embedding
from brain.blocks.linear import Linear
from brain.blocks.loss import symbol_nats
from brain.blocks.mlp import MLP
from brain.blocks.patches import (
    ByteDecoder,
    ByteFeatures,
    PatchEncoder,
    PatchGrid,
    kept_bytes,
    patches_before,
)
from brain.blocks.self_model import SELF_MODEL, predict_states
from brain.blocks.span import last_read
from brain.blocks.thinking import Thinking, ThinkingStep, exit_loss
from brain.blocks.unit_layer import declared_site
from brain.models.agiformer.hybrid_block import HybridBlock
from brain.online.sequence_network import Auxiliary, AuxiliaryLoss, Pass, SequenceNetwork
from brain.optim.parameter_groups import ParamGroup, groups_of_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from brain.blocks.mixer import Mixer, State
    from brain.blocks.span import Span
    from brain.codecs.codec import Symbols
    from brain.growth.site import Site
    from brain.models.agiformer.spec import AgiformerSpec
    from brain.online.sequence_network import NetworkState, Watch

READER = "reader"
THINKING = "thinking"
NOT_DEEPER = "a block of this brain is born with it"
ENTROPY_WEIGHT = 0.01  # of exits


@dataclass(frozen=True)
class PatchPass(Pass):
    """A pass, and how it came about.

    Attributes:
        grid: of its patches.
        carried: latent (B, d) that was being decoded when the span began.
        thoughts: latents (B, S, d) from before the first step of thinking to behind the last; none without a patch.
        local: what the last bytes gave the decoder (B, T, e).
        ids: the bytes (B, T).
    """

    grid: PatchGrid
    carried: Tensor
    thoughts: tuple[Tensor, ...]
    local: Tensor
    ids: Tensor

    def latents(self, num_steps: int | None = None) -> Tensor:
        """(B, 1 + S, d), the carried one first, after `num_steps` of thinking; None: after all."""
        carried = self.carried.unsqueeze(1)
        if not self.thoughts:
            return carried
        last = len(self.thoughts) - 1
        return torch.cat([carried, self.thoughts[last if num_steps is None else min(num_steps, last)]], dim=1)


class AgiformerNetwork(SequenceNetwork):
    """Predicts every byte of a row from what came before it, and from its own state the next state.

    Attributes:
        thinking_steps: K; it may be changed to read otherwise.
    """

    def __init__(self, spec: AgiformerSpec) -> None:
        super().__init__()
        config = spec.config
        self.spec, self.logit_cap = spec, config.logit_cap
        self.thinking_steps = config.thinking_steps
        size, byte_size, patch_size = config.hidden_size, config.byte_size, config.patch_size
        self.embedding = new_embedding(byte_size)
        self.features = ByteFeatures(byte_size, bigram_size=config.bigram_size)
        self.encoder = PatchEncoder(size, byte_size=byte_size, patch_size=patch_size)
        self.blocks = nn.ModuleList(HybridBlock(spec, number) for number in range(config.num_layers))
        self.thinking = _thinking(spec)
        self.decoder = ByteDecoder(
            size,
            byte_size=byte_size,
            patch_size=patch_size,
            layers=(
                MLP(byte_size, **spec.units(f"decoder.layers.{number}"))
                for number in range(config.decoder_layers)
            ),
        )
        self.head = Linear(byte_size, NO_BYTE, zero=True)
        self.self_model = MLP(byte_size, **spec.units(SELF_MODEL)) if config.self_model_size else None
        names = tuple(name for block in self.stack() for name in block.module_names)
        self.module_names = names if self.thinking is None else (*names, THINKING)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding; every other part draws its own."""
        draw_embedding(self.embedding, generator)

    def stack(self) -> list[HybridBlock]:
        """Blocks from input to output."""
        return list(self.blocks)  # type: ignore[arg-type]

    def mixers(self) -> dict[str, Mixer]:
        """The mixers that carry state, by name."""
        return {name: mixer for block in self.stack() for name, mixer in block.mixers().items()}

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> NetworkState:
        """Carried state of fresh rows, constant in size: by part, then by tensor, rows first.

        Part `reader` holds the last bytes read, NO_BYTE where there is none, and the latent that is being decoded.
        """
        return {READER: self._new_reader(rows, device=device, dtype=dtype)} | {
            name: mixer.new_state(rows, device=device, dtype=dtype) for name, mixer in self.mixers().items()
        }

    def _new_reader(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        config, wide = self.spec.config, torch.promote_types(dtype, torch.float32)
        last = torch.full((rows, kept_bytes(config.patch_size)), NO_BYTE, device=device, dtype=torch.int64)
        return {"bytes": last, "latent": torch.zeros(rows, config.hidden_size, device=device, dtype=wide)}

    def forward(
        self,
        symbols: Symbols,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        watch: Watch | None = None,
    ) -> PatchPass:
        """Predict bytes (B, T); `state` holds the B rows and is None when all are fresh."""
        grid = PatchGrid.of(span, self.spec.config.patch_size)
        if state is None:
            carried = self._new_reader(len(symbols.ids), device=symbols.ids.device, dtype=span.dtype)
        else:
            begins, carried = (span.position == 0)[:, None], state[READER]
            carried = {
                "bytes": carried["bytes"].masked_fill(begins, NO_BYTE),
                "latent": carried["latent"].masked_fill(begins, 0.0),
            }
        line = torch.cat([carried["bytes"], symbols.ids.long()], dim=1)
        valid = torch.cat([torch.ones_like(carried["bytes"], dtype=torch.bool), symbols.valid], dim=1)
        # The last byte is only predicted: nothing in this span depends on it.
        features = self.features(line[:, :-1], valid[:, :-1], self.embedding, span.dtype)
        thoughts, update = self._read(features, grid, symbols, state, watch) if grid.span.length else ((), {})
        done = PatchPass(
            states=carried["latent"],
            logits=carried["latent"],
            update=update,
            grid=grid,
            carried=carried["latent"],
            thoughts=thoughts,
            local=self.decoder.local(features, span.length),
            ids=symbols.ids,
        )
        latents = done.latents()
        states = self.decoder(latents, done.local, grid)
        update[READER] = {
            "bytes": last_read(line, carried["bytes"].shape[1], span.lengths),
            "latent": grid.last(latents),
        }
        return replace(done, states=states, logits=self.head(states.to(span.dtype)))

    def _read(
        self,
        features: Tensor,
        grid: PatchGrid,
        symbols: Symbols,
        state: Mapping[str, State] | None,
        watch: Watch | None,
    ) -> tuple[tuple[Tensor, ...], NetworkState]:
        """Latents (B, S, d) of the patches, one for each number of steps, and what changed in the blocks' states."""
        x = entry = self.encoder(features, grid)
        alone = entry if self.severed else None
        update: NetworkState = {}
        for block in self.stack():
            x, changed = block(x, grid.span, state, alone=alone, watch=watch)
            update |= changed
        if self.thinking is None:
            return (x,), update
        steps = self._steps(symbols.ids)
        # While weights learn one step is computed in any case: whoever watches its units finds them.
        taken = max(steps, 1) if torch.is_grad_enabled() else steps
        thoughts = self.thinking(x, taken, grid.span.dtype, alone=alone)
        if taken > steps:
            thoughts = [x + 0.0 * (thoughts[1] - x)]
        if watch is not None:
            thoughts[-1] = x + watch(THINKING, thoughts[-1] - x)
        return tuple(thoughts), update

    def _steps(self, ids: Tensor) -> int:
        """How often the latents of a pass over these bytes are thought over."""
        most = self.thinking_steps
        return (
            drawn_steps(ids, most) if self.spec.config.random_thinking and torch.is_grad_enabled() else most
        )

    def decoded(self, done: PatchPass, num_steps: int) -> Tensor:
        """Logits (B, T, 256) of a pass as if it had thought for `num_steps` of its steps."""
        states = self.decoder(done.latents(num_steps), done.local, done.grid)
        logits: Tensor = self.head(states.to(done.local.dtype))
        return logits

    def commit(
        self, state: NetworkState, rows: Tensor, update: Mapping[str, State], position: Tensor
    ) -> None:
        """Write the changes of a pass, already narrowed to len(rows) rows, into rows `rows` of `state`."""
        for name, value in update[READER].items():
            state[READER][name].index_copy_(0, rows, value.to(state[READER][name].dtype))
        num_patches = patches_before(position, self.spec.config.patch_size)
        for name, mixer in self.mixers().items():
            if name in update:
                mixer.commit(state[name], rows, update[name], num_patches)

    def advance(self, update: NetworkState, ids: Tensor) -> None:
        """The byte (R,) at the last position of the pass is known now."""
        update[READER]["bytes"][:, -1] = ids

    def read_by(self, site: Site, done: Pass, read: Tensor) -> Tensor:
        """Patches (B, S) that were read, of a site that works at their pace; else `read`."""
        assert isinstance(done, PatchPass)
        return done.grid.counted(read.sum(dim=1)) if site.per_patch else read

    def auxiliary(self, done: Pass, read: Tensor, dtype: torch.dtype) -> Auxiliary:
        """The next state is predicted, and what each step of thinking brought."""
        assert isinstance(done, PatchPass)
        losses: dict[str, AuxiliaryLoss] = {}
        if self.thinking is not None and self.thinking.exit is not None and len(done.thoughts) > 1:
            losses["exit"] = AuxiliaryLoss(value=self._exit_loss(done, read), weight=1.0)
        if self.self_model is None:
            return Auxiliary(losses=losses)
        loss, predicted = predict_states(self.self_model, done.states, read, dtype)
        losses[SELF_MODEL] = AuxiliaryLoss(value=loss, weight=self.spec.config.self_model_weight)
        return Auxiliary(losses=losses, predicted_states=predicted)

    def _exit_loss(self, done: PatchPass, read: Tensor) -> Tensor:
        """What the exits of the patches read in this pass cost; only exits can be moved by it."""
        assert self.thinking is not None
        nats = self.nats_by_steps(done, read)[:, 1:]  # of latents carried here the exits were taken before
        shares = self.thinking.exits(done.thoughts)
        counted = done.grid.counted(read.sum(dim=1))
        price = self.spec.config.halting_price
        return exit_loss(shares[counted], nats[counted], price=price, entropy_weight=ENTROPY_WEIGHT)

    @torch.no_grad()
    def nats_by_steps(self, done: PatchPass, read: Tensor) -> Tensor:
        """Nats of the bytes read under each latent, by how many steps were taken: (B, 1 + S, K + 1)."""
        slot = done.grid.slot()
        columns = []
        for number in range(len(done.thoughts)):
            nats, _, _ = symbol_nats(self.decoded(done, number), done.ids, self.logit_cap)
            of_slot = nats.new_zeros(len(read), 1 + done.grid.span.length)
            columns.append(of_slot.scatter_add_(1, slot, nats.masked_fill(~read, 0.0)))
        return torch.stack(columns, dim=-1)

    def param_groups(self) -> tuple[ParamGroup, ...]:
        """Matrices between hidden layers, rows of the bigram table, the rest, the self model."""
        return groups_of_blocks(
            self,
            self_model=self.self_model,
            no_matrices={self.head, *self.features.modules()},
        )

    def sites(self) -> dict[str, Site]:
        """Hidden layers of blocks, of thinking, of the decoder and of the self model."""
        of_patches: list[tuple[str, MLP]] = [(f"{block.path}.mlp", block.mlp) for block in self.stack()]
        of_patches += _named(THINKING, [] if self.thinking is None else list(self.thinking))
        layers = of_patches + _named("decoder.layers", list(self.decoder.layers))
        sites = {
            name: declared_site(
                name, layer, place=place, not_deeper=NOT_DEEPER, per_patch=place < len(of_patches)
            )
            for place, (name, layer) in enumerate(layers)
        }
        if self.self_model is None:
            return sites
        beside = declared_site(SELF_MODEL, self.self_model, place=len(layers) + 1, not_deeper=NOT_DEEPER)
        return sites | {SELF_MODEL: beside}


def drawn_steps(ids: Tensor, most: int) -> int:
    """A number of steps from 0 to `most` that follows from the bytes (B, T), so that a resumed run draws it again.

    >>> [drawn_steps(torch.tensor([[97 + number, 98]]), 3) for number in range(6)]
    [2, 1, 1, 0, 0, 3]
    """
    place = torch.arange(1, ids.numel() + 1, device=ids.device)
    return (int((ids.flatten().long() * place).sum()) * 2654435761 >> 16) % (most + 1)


def _thinking(spec: AgiformerSpec) -> Thinking | None:
    config = spec.config
    if not config.thinking_steps:
        return None
    number = 1 if config.thinking_tied else config.thinking_steps
    return Thinking(
        (ThinkingStep(config.hidden_size, **spec.units(f"{THINKING}.{step}")) for step in range(number)),
        size=config.hidden_size,
        tied=config.thinking_tied,
        halting=config.halting,
    )


def _named(path: str, layers: Sequence[nn.Module]) -> list[tuple[str, MLP]]:
    return [(f"{path}.{number}", layer) for number, layer in enumerate(layers) if isinstance(layer, MLP)]
