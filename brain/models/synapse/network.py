"""The SYNAPSE network: embedding, blocks of mixer and MLP around a residual stream, byte head, self model.

Shapes: B rows, T positions, d width of the residual stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.attention import WindowAttention
from brain.blocks.bigram import NO_BYTE, Bigram
from brain.blocks.linear import Linear
from brain.blocks.mingru import MinGRU
from brain.blocks.mixer import Mixer, State
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.blocks.ssd import SSD
from brain.growth.operators import UnitTensors

if TYPE_CHECKING:
    from brain.blocks.span import Span
    from brain.models.synapse.spec import SynapseSpec

Watch = Callable[[str, Tensor], Tensor]
"""Called with a module's name and its output (B, T, d); what it returns is read by everything downstream."""


NetworkState = dict[str, State]


@dataclass(frozen=True)
class Pass:
    """What a pass gives: normed states (B, T, d), logits (B, T, 256) before the cap, changes of state."""

    states: Tensor
    logits: Tensor
    update: NetworkState


class Block(nn.Module):
    """x ← x + mixer(norm x); x ← x + mlp(norm x)."""

    def __init__(self, mixer: Mixer, mlp: MLP) -> None:
        super().__init__()
        self.mixer, self.mlp = mixer, mlp


class SynapseNetwork(nn.Module):
    """Predicts every byte of a row from what came before it, and from its own state the next state."""

    def __init__(self, spec: SynapseSpec) -> None:
        super().__init__()
        config = spec.config
        self.config, self.order = config, spec.order
        self.widened = spec.widened()
        size = config.hidden_size
        self.embedding = nn.Parameter(torch.empty(NO_BYTE + 1, size))
        self.bigram = Bigram(config.bigram_size, size) if config.bigram_size else None
        self.blocks = nn.ModuleList(
            Block(self._mixer(kind, spec, index), MLP(size, **_units(spec, f"blocks.{index}.mlp")))
            for index, kind in enumerate(spec.layers)
        )
        self.head = Linear(size, 256, zero=True)
        self.self_model = MLP(size, **_units(spec, "self_model"))
        self.severed = False  # every module hears the input alone: a null control of vital signs

    @staticmethod
    def _mixer(kind: str, spec: SynapseSpec, index: int) -> Mixer:
        config = spec.config
        if kind == "mingru":
            return MinGRU(config.hidden_size, **_units(spec, f"blocks.{index}.mixer"))
        if kind == "attention":
            heads = config.num_heads or max(1, config.hidden_size // 64)
            return WindowAttention(config.hidden_size, num_heads=heads, window=config.window)
        return SSD(config.hidden_size)

    @property
    def module_names(self) -> tuple[str, ...]:
        """The workspace's modules, in the order in which they speak."""
        return tuple(f"blocks.{index}.{part}" for index in self.order for part in ("mixer", "mlp"))

    def hidden_matrices(self) -> frozenset[str]:
        """Names of the matrices between hidden layers; not embeddings, tables or the byte head."""
        return frozenset(
            f"{name}.weight"
            for name, module in self.named_modules()
            if isinstance(module, Linear) and name.startswith(("blocks.", "self_model."))
        )

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding; every other part draws its own."""
        with torch.no_grad():
            self.embedding.normal_(0.0, 0.1, generator=generator)

    def mixers(self) -> dict[str, Mixer]:
        """The mixers that carry state, by name."""
        return {f"blocks.{index}.mixer": block.mixer for index, block in self._blocks()}

    def growth_modules(self) -> dict[str, nn.Module]:
        """The module behind each growth site, from input to output."""
        found: dict[str, nn.Module] = {}
        for index, block in self._blocks():
            if isinstance(block.mixer, MinGRU):
                found[f"blocks.{index}.mixer"] = block.mixer
            found[f"blocks.{index}.mlp"] = block.mlp
        return found | {"self_model": self.self_model}

    def unit_tensors(self, site: str) -> UnitTensors:
        """Names of the tensors in which the units of a site lie."""
        module = self.growth_modules()[site]
        assert isinstance(module, MLP | MinGRU)
        return UnitTensors(
            incoming=tuple(f"{site}.{part}.weight" for part in module.feeds),
            outgoing=(f"{site}.out.weight",),
            carried=tuple(f"{site}.{part}" for part in module.unit_state),
        )

    def unit_axes(self) -> dict[str, int]:
        """Axis of units of every parameter whose units are not all of one age."""
        return {name: axis for site in self.widened for name, axis in self.unit_tensors(site).axes.items()}

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
        reader = None if state is None else state["reader"]
        x, last_bytes = self._read(rows, span, reader, valid)
        update = {"reader": {"bytes": last_bytes, "position": span.position + span.length}}
        entry = x
        for index, block in self._blocks():
            name = f"blocks.{index}.mixer"
            own = None if state is None else state[name]
            heard = rms_norm(entry if self.severed else x, span.dtype)
            y, update[name] = block.mixer(heard, span, own)
            x = x + (y if watch is None else watch(name, y))
            y = block.mlp(rms_norm(entry if self.severed else x, span.dtype))
            x = x + (y if watch is None else watch(f"blocks.{index}.mlp", y))
        states = rms_norm(x)
        return Pass(states=states, logits=self.head(states.to(span.dtype)), update=update)

    def commit(self, state: NetworkState, rows: Tensor, update: Mapping[str, State]) -> None:
        """Write the changes of a pass, already narrowed to len(rows) rows, into rows `rows` of `state`."""
        for name, value in update["reader"].items():
            state["reader"][name].index_copy_(0, rows, value)
        for name, mixer in self.mixers().items():
            mixer.commit(state[name], rows, update[name], update["reader"]["position"])

    def _read(
        self, rows: Tensor, span: Span, reader: State | None, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Embed what stands before each position: x (B, T, d), and the last two bytes read (B, 2)."""
        if reader is None:
            before = torch.full((len(rows), 2), NO_BYTE, device=rows.device, dtype=torch.int64)
        else:
            before = reader["bytes"].masked_fill((span.position == 0)[:, None], NO_BYTE)
        read = torch.cat([before, rows.long()], dim=1)  # (B, T + 2)
        previous, last = read[:, : span.length], read[:, 1 : span.length + 1]
        x = functional.embedding(last, self.embedding)
        if self.bigram is not None:
            x = x + self.bigram(previous, last, valid, span.dtype)
        return rms_norm(x), read[:, span.length :]

    def _blocks(self) -> list[tuple[int, Block]]:
        """Blocks from input to output, with the index that names them."""
        return [(index, self.blocks[index]) for index in self.order]  # type: ignore[misc]


def _units(spec: SynapseSpec, site: str) -> dict[str, int]:
    """Units of a site, and those of them that were there from the start."""
    return {"hidden": spec.sites[site], "born_hidden": spec.born_sites[site]}
