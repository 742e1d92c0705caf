"""What a network must offer to become a brain that learns online.

Shapes: B rows, S symbols of a row, P units of a symbol, V units of the vocabulary, d width of the reported state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from brain.blocks.linear import Linear
from brain.optim.parameter_groups import ParamGroup, groups_by_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.mixer import State
    from brain.blocks.span import Span
    from brain.codecs.codec import Symbols
    from brain.growth.site import Site

NetworkState = dict[str, "State"]
"""Carried state by part, then by tensor, rows first; constant in size whatever has been read."""

Watch = Callable[[str, Tensor], Tensor]
"""Called with a module's name and its output (B, S, d_m); what it returns is read by everything downstream."""


@dataclass(frozen=True)
class Pass:
    """What a pass gives.

    Attributes:
        states: the network's own states (B, S, d), detached by whoever must not move it through them.
        logits: (B, S, V), or (B, S, P, V) for patches, before the cap: of each unit given all that came before it.
        update: what changed in the carried state. Of a symbol it may depend on nothing but what `advance` writes.
    """

    states: Tensor
    logits: Tensor
    update: NetworkState


@dataclass(frozen=True, kw_only=True)
class AuxiliaryLoss:
    """A further loss, a scalar, and its weight."""

    value: Tensor
    weight: float


@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """What a network learns beside the next symbol.

    Attributes:
        losses: by name, in the order in which they are added; reported as `<name>_loss`.
        predicted_states: (B, S − 1, d), prediction of `Pass.states[:, 1:]` by a self model; None without one.
    """

    losses: Mapping[str, AuxiliaryLoss] = field(default_factory=dict)
    predicted_states: Tensor | None = None


class SequenceNetwork(nn.Module, ABC):
    """Predicts every unit of a row from what came before it.

    Attributes:
        module_names: the modules that can be watched and nudged, from input to output.
        logit_cap: soft cap of the logits; None for none.
        severed: every module reads the input alone, a null control of vital signs.
        base: names of weights that come from elsewhere and never change; they stand in frozen groups.
    """

    module_names: tuple[str, ...] = ()
    logit_cap: float | None = None
    severed: bool = False
    base: frozenset[str] = frozenset()

    @abstractmethod
    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> NetworkState:
        """Carried state of fresh rows; `dtype` is that of matrix products."""

    @abstractmethod
    def forward(
        self,
        symbols: Symbols,
        span: Span,
        state: Mapping[str, State] | None,
        *,
        watch: Watch | None = None,
    ) -> Pass:
        """Predict the symbols; `state` holds the B rows and is None when all are fresh."""

    def commit(
        self, state: NetworkState, rows: Tensor, update: Mapping[str, State], position: Tensor
    ) -> None:
        """Write the changes of len(rows) rows into rows `rows` of `state`; `position` is where they stand then."""
        del position
        for part, changed in update.items():
            for name, value in changed.items():
                state[part][name].index_copy_(0, rows, value.to(state[part][name].dtype))

    @abstractmethod
    def advance(self, update: NetworkState, ids: Tensor) -> None:
        """The last symbol of a pass was unknown and is `ids`, (R,) or (R, P): write that into the pass's update."""

    def read_by(self, site: Site, done: Pass, read: Tensor) -> Tensor:
        """Which positions of a growth site's activations are of symbols `read` (B, S) in a pass.

        By default a site works at the pace of symbols.
        """
        del site, done
        return read

    def auxiliary(self, done: Pass, read: Tensor, dtype: torch.dtype) -> Auxiliary:
        """What is learned beside the next symbol; `read` (B, S) is False on padding."""
        del done, read, dtype
        return Auxiliary()

    def param_groups(self) -> tuple[ParamGroup, ...]:
        """Every parameter in exactly one group. By default matrices of linear maps, tables, and the rest."""
        return groups_by_shape(self)

    def ternary_matrices(self) -> dict[str, Linear]:
        """The matrices that are quantised where the spec asks for it, by the names of their weights.

        By default those between layers: embeddings, tables, heads and gates, which are in groups of another rule, keep
        full precision.
        """
        matrices = {
            name for group in self.param_groups() if group.rule == "matrix" for name in group.parameters
        }
        linear = {f"{name}.weight": m for name, m in self.named_modules() if isinstance(m, Linear)}
        return {name: module for name, module in linear.items() if name in matrices}

    def sites(self) -> dict[str, Site]:
        """The hidden units that can grow, from input to output; none by default."""
        return {}

    def initialize(self, generator: torch.Generator) -> None:
        """Draw what the parts do not draw themselves."""
