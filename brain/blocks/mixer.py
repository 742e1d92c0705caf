"""What every sequence mixer offers: a span at once or a byte at a time, constant memory, state in and out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from brain.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span

State = dict[str, Tensor]

mixers: Registry[Any] = Registry("mixer", ("brain.blocks",))
"""Mixers by name; one registers itself where its class is written."""


@dataclass(frozen=True, kw_only=True)
class MixerOptions:
    """Options of all mixers; each takes what concerns it.

    Attributes:
        num_heads: heads of attention.
        window: positions that attention looks back on.
        hidden: hidden units of a recurrent mixer; None: as many as its width.
        born_hidden: those of them that were there from the start; None: all.
    """

    num_heads: int = 1
    window: int = 256
    hidden: int | None = None
    born_hidden: int | None = None


class Mixer(nn.Module, ABC):
    """Mixes positions of a row causally. A span of length one is a step; there is no second code path.

    The state of R rows is a dict of tensors with R first, of constant size whatever has been read. `forward`
    reads the state of its rows and returns what changed; `commit` writes that into a state in place.
    """

    has_units: ClassVar[bool] = False
    """Whether its hidden units are a growth site, as `brain.blocks.unit_layer.UnitLayer` has them."""

    @classmethod
    @abstractmethod
    def of(cls, size: int, options: MixerOptions) -> Self:
        """A mixer of a stream of width `size`."""

    @abstractmethod
    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """State of `rows` fresh rows; `dtype` is that of matrix products."""

    @abstractmethod
    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Mix x (B, T, d) into (B, T, d); `state` holds the B rows, None when the span is fresh only."""

    @torch.no_grad()
    def commit(self, state: State, rows: Tensor, update: Mapping[str, Tensor], end: Tensor) -> None:
        """Write the changes of len(rows) rows into rows `rows` of `state`; `end` is where they stand then."""
        del end
        for name, value in update.items():
            state[name].index_copy_(0, rows, value.to(state[name].dtype))
