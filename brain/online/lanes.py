"""The state that a brain carries from step to step, one for each lane of the stream.

Shapes: L lanes, B rows of a batch, S symbols of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from brain.blocks.span import Span, per_row
from brain.ports import CARRIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.blocks.mixer import State
    from brain.codecs.codec import Carry, Codec, Symbols
    from brain.online.sequence_network import NetworkState, SequenceNetwork

CODEC = "codec"  # the part in which what is undecided is kept
READER = "reader"  # the part in which the lanes keep where each stands


@dataclass(frozen=True)
class Taken:
    """What a batch reads from: its span and, unless all its rows are fresh, the state of each row."""

    span: Span
    state: NetworkState | None


class Lanes:
    """One carried state a lane, allocated once and written in place, so references to it stay good.

    Of a lane that is fresh only the position, 0, is looked at.
    """

    def __init__(
        self,
        network: SequenceNetwork,
        codec: Codec,
        lanes: int,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.network, self.codec, self.dtype = network, codec, dtype
        self.state = fresh_state(network, lanes, device=device, dtype=dtype)
        self.carry = codec.new_carry(lanes, device=device)

    @property
    def count(self) -> int:
        """How many lanes."""
        return len(self.state[READER]["position"])

    def encode(self, rows: Tensor, mask: Tensor, lane: Tensor, reset: Tensor) -> tuple[Symbols, Carry]:
        """Symbols of uint8 rows (B, T) behind what their lanes left undecided, and what they leave so."""
        fresh = reset | (lane < 0)
        carry = {
            name: value.index_select(0, lane.clamp(min=0)).masked_fill(per_row(fresh, value), 0)
            for name, value in self.carry.items()
        }
        return self.codec.encode(rows, mask, carry, ends=(lane < 0) | ~mask[:, -1])

    def take(self, lane: Tensor, reset: Tensor, symbols: Symbols) -> Taken:
        """The state of each row (B,): that of its lane, or a fresh one after a reset and for lane −1."""
        source = lane.clamp(min=0)
        fresh = reset | (lane < 0)
        position = self.state[READER]["position"].index_select(0, source).masked_fill(fresh, 0)
        # Position 0 alone means "fresh": mixers then look at nothing they are handed.
        fresh_only = not bool(position.any())
        span = Span(
            position=position,
            length=symbols.ids.shape[1],
            fresh_only=fresh_only,
            dtype=self.dtype,
            lengths=symbols.lengths,
        )
        if fresh_only:
            return Taken(span, None)
        return Taken(span, select_rows(self.state, source))

    def put(self, lane: Tensor, mask: Tensor, span: Span, update: Mapping[str, State], carry: Carry) -> None:
        """Keep what rows of a lane ended with; `mask` (B, T) is that of their bytes.

        A row that ends in padding leaves its lane fresh: a document ended there, and the stream resets the
        lane next. A row of padding alone leaves its lane as it was.
        """
        kept = (lane >= 0) & mask.any(dim=1)
        row = kept.nonzero().squeeze(1)
        position = span.end.index_select(0, row).masked_fill(~mask[row, -1], 0)
        self.state[READER]["position"].index_copy_(0, lane[row], position)
        self.network.commit(self.state, lane[row], select_rows(update, row), position)
        for name, value in carry.items():
            self.carry[name].index_copy_(0, lane[row], value.index_select(0, row))

    def tensors(self) -> dict[str, Tensor]:
        """References to every carried tensor, as `carried|<part>.<tensor>`."""
        parts = {**self.state, CODEC: self.carry}
        return {
            f"{CARRIED}{part}.{name}": value for part, own in parts.items() for name, value in own.items()
        }


def fresh_state(
    network: SequenceNetwork, rows: int, *, device: torch.device, dtype: torch.dtype
) -> NetworkState:
    """The network's state of fresh rows, and where they stand: at 0."""
    state = network.new_state(rows, device=device, dtype=dtype)
    position = torch.zeros(rows, device=device, dtype=torch.int64)
    return {**state, READER: {**state.get(READER, {}), "position": position}}


def select_rows(state: Mapping[str, State], rows: Tensor) -> NetworkState:
    """Copies of some rows of a state; int64 rows (R,)."""
    return {
        part: {name: value.detach().index_select(0, rows) for name, value in own.items()}
        for part, own in state.items()
    }
