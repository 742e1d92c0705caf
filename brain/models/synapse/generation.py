"""Reading from a reset state, and speaking one byte after another, in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.blocks.byte_loss import cap_logits
from brain.blocks.span import Span
from brain.devices import has_float64, widened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from brain.blocks.mixer import State
    from brain.models.synapse.network import NetworkState, SynapseNetwork

SPAN_BYTES = 256


class Reader:
    """R rows read side by side; weights are only looked at and no gradient is kept.

    Args:
        network: what reads.
        rows: R.
        device: where the network lives.
        dtype: precision of matrix products.
        state: where the rows go on from, taken over; without it all are in the reset state.
    """

    def __init__(
        self,
        network: SynapseNetwork,
        rows: int,
        *,
        device: torch.device,
        dtype: torch.dtype,
        state: NetworkState | None = None,
    ) -> None:
        self.network, self.device, self.dtype = network, device, dtype
        self.state = network.new_state(rows, device=device, dtype=dtype) if state is None else state
        self._rows = torch.arange(rows, device=device)
        self._begun = state is not None
        self._pending: Mapping[str, State] = {}

    @torch.no_grad()
    def read(self, rows: Tensor) -> Tensor:
        """Read uint8 rows (R, T); the logits (R, T, 256) are those before each byte was seen."""
        logits = self._look(rows.to(self.device))
        self._commit()
        return logits

    @torch.no_grad()
    def predict(self) -> Tensor:
        """Logits (R, 256) of the byte to come; `accept` says which one came."""
        unknown = torch.zeros(len(self._rows), 1, dtype=torch.uint8, device=self.device)
        return self._look(unknown)[:, 0]

    @torch.no_grad()
    def accept(self, byte: Tensor) -> None:
        """Go on with int64 bytes (R,) after `predict`, whose pass does not depend on them."""
        self._pending["reader"]["bytes"][:, 1] = byte.to(self.device)
        self._commit()

    @torch.no_grad()
    def fork(self, rows: Tensor) -> Reader:
        """A reader of its own whose row i goes on from row rows[i] of this one; rows is int64 (R′,)."""
        state = None
        if self._begun:
            chosen = rows.to(self.device)
            state = {
                part: {name: value.index_select(0, chosen) for name, value in own.items()}
                for part, own in self.state.items()
            }
        return Reader(self.network, len(rows), device=self.device, dtype=self.dtype, state=state)

    def _look(self, rows: Tensor) -> Tensor:
        position = self.state["reader"]["position"].clone()
        span = Span(position=position, length=rows.shape[1], fresh_only=not self._begun, dtype=self.dtype)
        done = self.network(rows, span, self.state if self._begun else None)
        self._pending = done.update
        return cap_logits(done.logits, self.network.config.logit_cap)

    def _commit(self) -> None:
        self.network.commit(self.state, self._rows, self._pending)
        self._pending, self._begun = {}, True


def score_rows(reader: Reader, rows: Tensor, mask: Tensor) -> Tensor:
    """Summed nats (R,) of the valid bytes of uint8 rows (R, T), read in spans of at most 256 bytes."""
    sums = rows.device if has_float64(rows.device) else torch.device("cpu")  # where they are added up
    total = torch.zeros(len(rows), dtype=torch.float64, device=sums)
    for part, valid in zip(
        torch.split(rows, SPAN_BYTES, dim=1), torch.split(mask, SPAN_BYTES, dim=1), strict=True
    ):
        chosen = reader.read(part).log_softmax(dim=-1).gather(-1, part.long().unsqueeze(-1)).squeeze(-1)
        total -= chosen.masked_fill(~valid, 0.0).to(sums).sum(dim=1, dtype=torch.float64)
    return total


COLDEST = 1e-9


def continue_bytes(
    reader: Reader,
    prompt: bytes,
    *,
    max_bytes: int,
    temperature: float,
    top_p: float,
    generator: torch.Generator,
) -> Iterator[int]:
    """Read `prompt`, then yield `max_bytes` bytes, each drawn with `generator` and read in its turn."""
    heard = (
        torch.frombuffer(bytearray(prompt), dtype=torch.uint8)
        if prompt
        else torch.empty(0, dtype=torch.uint8)
    )
    for part in torch.split(heard.to(reader.device)[None], SPAN_BYTES, dim=1):
        if part.shape[1]:
            reader.read(part)
    for _ in range(max_bytes):
        byte = draw(reader.predict()[0], temperature=temperature, top_p=top_p, generator=generator)
        reader.accept(torch.tensor([byte], device=reader.device))
        yield byte


def draw(logits: Tensor, *, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """One byte from logits (256,): the most probable ones that together reach `top_p`, in their proportions.

    Temperature 0 takes the most probable, as does one so near to it that the logits would overflow.

    Source: Holtzman et al. 2020 (nucleus sampling).
    """
    logits = widened(logits.detach().to(generator.device))
    if temperature < COLDEST:
        return int(logits.argmax())
    chance, order = (logits / temperature).softmax(dim=-1).sort(descending=True, stable=True)
    # The first byte is always kept; each next one while those before it have not reached top_p.
    chance = chance.masked_fill(chance.cumsum(dim=-1) - chance >= top_p, 0.0)
    return int(order[torch.multinomial(chance, 1, generator=generator)])
