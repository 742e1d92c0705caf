"""What every sequence mixer offers: a span at once or a byte at a time, constant memory, state in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.blocks.span import Span

State = dict[str, Tensor]


class Mixer(nn.Module):
    """Mixes positions of a row causally. A span of length one is a step; there is no second code path.

    The state of R rows is a dict of tensors with R first, of constant size whatever has been read. `forward`
    reads the state of its rows and returns what changed; `commit` writes that into a state in place.
    """

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """State of `rows` fresh rows; `dtype` is that of matrix products."""
        raise NotImplementedError

    def forward(self, x: Tensor, span: Span, state: Mapping[str, Tensor] | None) -> tuple[Tensor, State]:
        """Mix x (B, T, d) into (B, T, d); `state` holds the B rows, None when the span is fresh only."""
        raise NotImplementedError

    @torch.no_grad()
    def commit(self, state: State, rows: Tensor, update: Mapping[str, Tensor], end: Tensor) -> None:
        """Write the changes of len(rows) rows into rows `rows` of `state`; `end` is where they stand then."""
        del end
        for name, value in update.items():
            state[name].index_copy_(0, rows, value.to(state[name].dtype))
