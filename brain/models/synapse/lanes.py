"""The state that a recurrent brain carries from step to step, one for each lane of the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brain.blocks.span import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from brain.blocks.mixer import State
    from brain.models.synapse.network import NetworkState, SynapseNetwork


@dataclass(frozen=True)
class Taken:
    """What a batch reads from: its span and, unless all its rows are fresh, the state of each row."""

    span: Span
    state: NetworkState | None


class Lanes:
    """One carried state a lane, allocated once and written in place, so references to it stay good."""

    def __init__(
        self, network: SynapseNetwork, lanes: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.network, self.dtype = network, dtype
        self.state = network.new_state(lanes, device=device, dtype=dtype)

    @property
    def count(self) -> int:
        """How many lanes."""
        return len(self.state["reader"]["position"])

    def take(self, lane: Tensor, reset: Tensor, length: int) -> Taken:
        """The state of each row (B,): that of its lane, or a fresh one after a reset and for lane −1."""
        source = lane.clamp(min=0)
        fresh = reset | (lane < 0)
        position = self.state["reader"]["position"].index_select(0, source).masked_fill(fresh, 0)
        # Position 0 alone says "fresh": mixers then look at nothing they are handed.
        fresh_only = not bool(position.any())
        span = Span(position=position, length=length, fresh_only=fresh_only, dtype=self.dtype)
        if fresh_only:
            return Taken(span, None)
        return Taken(span, _rows(self.state, source))

    def put(self, lane: Tensor, mask: Tensor, update: Mapping[str, State]) -> None:
        """Keep what rows of a lane ended with.

        A row that ends in padding leaves its lane fresh: a document ended there, and the stream resets the
        lane next. A row of padding alone leaves its lane as it was.
        """
        kept = (lane >= 0) & mask.any(dim=1)
        row = kept.nonzero().squeeze(1)
        narrowed = _rows(update, row)
        narrowed["reader"]["position"].masked_fill_(~mask[row, -1], 0)
        self.network.commit(self.state, lane[row], narrowed)

    def tensors(self) -> dict[str, Tensor]:
        """References to every carried tensor, as `carried|<part>.<tensor>`."""
        return {
            f"carried|{part}.{name}": value for part, own in self.state.items() for name, value in own.items()
        }


def _rows(state: Mapping[str, State], rows: Tensor) -> NetworkState:
    return {
        part: {name: value.detach().index_select(0, rows) for name, value in own.items()}
        for part, own in state.items()
    }
