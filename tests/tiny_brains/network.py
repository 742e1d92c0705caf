"""A network of torch's own modules, which knows nothing of the blocks of this project.

Shapes: B rows, S symbols, P units of a symbol, d width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from brain.growth.site import Site
from brain.online.sequence_network import Auxiliary, AuxiliaryLoss, Pass, SequenceNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.mixer import State
    from brain.blocks.span import Span
    from brain.codecs.codec import Symbols
    from brain.online.sequence_network import NetworkState, Watch
    from tests.tiny_brains.specs import TinySpec


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them: a growth site of torch's own modules."""

    feeds: ClassVar[tuple[str, ...]] = ("into",)
    unit_state: ClassVar[tuple[str, ...]] = ()

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.into = nn.Linear(size, hidden, bias=False)
        self.out = nn.Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(torch.relu(self.into(x)))
        return y

    def candidates(self, x: Tensor, into: Tensor) -> Tensor:
        return torch.relu(x @ into.T)


def before_each(units: Tensor) -> Tensor:
    """The sum over units (B, S, P, d) before each."""
    return units.cumsum(dim=2) - units


class TinyNetwork(SequenceNetwork):
    """A plain recurrent network: h ← tanh(U h + V embed(the symbol before)), then the units one after another."""

    module_names = ("cell", "feed")

    def __init__(self, spec: TinySpec) -> None:
        super().__init__()
        codec, size = spec.codec(), spec.config.hidden_size
        self.units, self.none = codec.units, codec.vocabulary
        self.embedding = nn.Embedding(codec.vocabulary + 1, size)  # the last stands for "nothing before"
        self.mix = nn.Linear(self.units * size, size, bias=False)
        self.recur = nn.Linear(size, size)
        self.feed = FeedForward(size, spec.hidden)
        # Of the units of a patch that are known already.
        self.inner = nn.Embedding(codec.vocabulary, size) if self.units > 1 else None
        self.head = nn.Linear(size, codec.vocabulary)
        self.own = nn.Linear(size, size)
        self.spec = spec
        if spec.config.base:
            self.base = frozenset({"embedding.weight", "mix.weight"})
            self.embedding.weight.requires_grad_(False)
            self.mix.weight.requires_grad_(False)

    def initialize(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name.startswith("head.") or name == "feed.out.weight":
                    weight.zero_()
                elif name not in self.base:
                    weight.normal_(0.0, weight.shape[-1] ** -0.5, generator=generator)

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> NetworkState:
        del dtype
        last = torch.full((rows, self.units), self.none, dtype=torch.int64, device=device)
        hidden = torch.zeros(rows, self.spec.config.hidden_size, device=device)
        return {"core": {"last": last, "hidden": hidden}}

    def forward(
        self,
        symbols: Symbols,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        watch: Watch | None = None,
    ) -> Pass:
        ids = symbols.ids.long().view(*symbols.ids.shape[:2], self.units)
        rows, length = ids.shape[:2]
        fresh = span.position == 0
        new = self.new_state(rows, device=ids.device, dtype=span.dtype)
        core = new["core"] if state is None else state["core"]
        last = core["last"].masked_fill(fresh[:, None], self.none)
        hidden = core["hidden"].masked_fill(fresh[:, None], 0.0)
        before = torch.cat([last[:, None], ids[:, :-1]], dim=1)
        entry = self.mix(self.embedding(before).flatten(2))
        states = []
        for place in range(length):
            hidden = torch.tanh(entry[:, place] + (0.0 if self.severed else self.recur(hidden)))
            states.append(hidden)
        cell = torch.stack(states, dim=1)
        cell = cell if watch is None else watch("cell", cell)
        fed = self.feed(entry if self.severed else cell)
        fed = fed if watch is None else watch("feed", fed)
        x = cell + fed
        logits = self.head(x.unsqueeze(2) + (0.0 if self.inner is None else before_each(self.inner(ids))))
        return Pass(
            states=x,
            logits=logits.squeeze(2) if self.units == 1 else logits,
            update={"core": self._behind(ids, cell, core, fresh, span.lengths)},
        )

    def _behind(self, ids: Tensor, cell: Tensor, core: State, fresh: Tensor, lengths: Tensor | None) -> State:
        """The state behind the last symbol of each row; as it was where the row has none."""
        if lengths is None:
            return {"last": ids[:, -1].clone(), "hidden": cell[:, -1]}
        at = (lengths - 1).clamp(min=0).view(-1, 1, 1)
        last = ids.gather(1, at.expand(-1, 1, self.units)).squeeze(1)
        hidden = cell.gather(1, at.expand(-1, 1, cell.shape[2])).squeeze(1)
        none = (lengths == 0)[:, None]
        return {
            "last": torch.where(none, core["last"].masked_fill(fresh[:, None], self.none), last),
            "hidden": torch.where(none, core["hidden"].masked_fill(fresh[:, None], 0.0), hidden),
        }

    def advance(self, update: NetworkState, ids: Tensor) -> None:
        update["core"]["last"].copy_(ids.view(len(ids), self.units))

    def auxiliary(self, done: Pass, read: Tensor, dtype: torch.dtype) -> Auxiliary:
        del dtype
        states = done.states.detach()
        predicted = self.own(states[:, :-1])
        both = (read[:, 1:] & read[:, :-1]).unsqueeze(-1)
        error = (predicted - states[:, 1:]).square().masked_fill(~both, 0.0).sum()
        loss = error / (both.sum() * states.shape[-1]).clamp(min=1)
        return Auxiliary(losses={"own": AuxiliaryLoss(value=loss, weight=1.0)}, predicted_states=predicted)

    def sites(self) -> dict[str, Site]:
        return {
            "feed": Site(
                units=self.spec.hidden,
                born_units=self.spec.config.feed_size,
                parameters_per_unit=2 * self.spec.config.hidden_size,
                incoming=("feed.into.weight",),
                outgoing=("feed.out.weight",),
            )
        }
