"""Reading from a reset state, and generating one unit after another, in memory that does not grow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks.loss import cap_logits
from brain.blocks.span import Span
from brain.codecs.codec import Symbols
from brain.devices import has_float64, widened
from brain.online.lanes import READER, fresh_state, select_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.codecs.codec import Carry, Codec, Opening
    from brain.online.sequence_network import NetworkState, SequenceNetwork

SPAN_SYMBOLS = 256
COLDEST = 1e-9


class Reader:
    """R rows read side by side; weights are only looked at and no gradient is kept.

    Args:
        network: what reads.
        codec: of its symbols.
        rows: R.
        device: where the network lives.
        dtype: precision of matrix products.
    """

    def __init__(
        self, network: SequenceNetwork, codec: Codec, rows: int, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.network, self.codec, self.device, self.dtype = network, codec, device, dtype
        self.state: NetworkState = fresh_state(network, rows, device=device, dtype=dtype)
        self._carry: Carry = codec.new_carry(rows, device=device)
        self._rows = torch.arange(rows, device=device)
        self._begun = False
        self._opening: Opening | None = None  # the symbol that is being predicted unit by unit
        self._pending: tuple[Span, NetworkState] | None = None

    def __len__(self) -> int:
        """R."""
        return len(self._rows)

    @torch.no_grad()
    def read(self, rows: Tensor) -> Tensor:
        """Read uint8 rows (R, T) as far as they are decided.

        Returns:
            Logits (R, S, V), or (R, S, P, V) for patches, of each unit before it was seen.

        Raises:
            RuntimeError: a patch is only known in part; `accept` the rest of it first.
        """
        if self._opening is not None and self._opening.known:
            raise RuntimeError("a patch is known in part only; accept its other units first")
        self._opening = None
        rows = rows.to(self.device)
        mask = torch.ones_like(rows, dtype=torch.bool)
        ends = torch.zeros(len(rows), dtype=torch.bool, device=self.device)
        symbols, self._carry = self.codec.encode(rows, mask, self._carry, ends=ends)
        return self.read_symbols(symbols)

    @torch.no_grad()
    def read_symbols(self, symbols: Symbols) -> Tensor:
        """As `read`, of symbols."""
        if not symbols.ids.shape[1]:
            return torch.zeros(*symbols.ids.shape, self.codec.vocabulary, device=self.device)
        logits = self._look(symbols)
        self._commit()
        return logits

    @torch.no_grad()
    def predict(self) -> Tensor:
        """Logits (R, V) of the unit to come; `accept` says which one came."""
        opening = self._opening
        if opening is None:
            opening = self.codec.opening(self._carry, rows=len(self), device=self.device)
            self._carry = self.codec.new_carry(len(self), device=self.device)
            if opening.symbols is not None:
                self.read_symbols(opening.symbols)
            self._opening = opening
        everything = torch.ones_like(opening.ids, dtype=torch.bool)
        symbols = Symbols(ids=opening.ids, valid=everything, num_bytes=everything.long())
        logits = self._look(symbols)[:, 0]
        return logits if self.codec.units == 1 else logits[:, opening.known]

    @torch.no_grad()
    def accept(self, unit: Tensor) -> None:
        """Read int64 units (R,) after `predict`, whose pass does not depend on them."""
        opening, pending = self._opening, self._pending
        if opening is None or pending is None:
            raise RuntimeError("`accept` follows `predict`")
        ids, known, unit = opening.ids, opening.known + 1, unit.to(self.device)
        if self.codec.units == 1:
            ids[:, 0] = unit.to(ids.dtype)
        else:
            ids[:, 0, opening.known] = unit.to(ids.dtype)
        if known < self.codec.units:
            self._opening = replace(opening, known=known)
            return
        self.network.advance(pending[1], ids[:, 0])
        self._opening = None
        self._commit()

    @torch.no_grad()
    def fork(self, rows: Tensor) -> Reader:
        """A separate reader whose row i continues row rows[i] of this one; rows is int64 (R′,)."""
        chosen = rows.to(self.device)
        forked = Reader(self.network, self.codec, len(rows), device=self.device, dtype=self.dtype)
        if self._begun:
            forked.state = select_rows(self.state, chosen)
        forked._begun = self._begun
        forked._carry = {name: value.index_select(0, chosen) for name, value in self._carry.items()}
        if self._opening is not None:
            forked._opening = replace(self._opening, ids=self._opening.ids.index_select(0, chosen))
        return forked

    def _look(self, symbols: Symbols) -> Tensor:
        span = Span(
            position=self.state[READER]["position"].clone(),
            length=symbols.ids.shape[1],
            fresh_only=not self._begun,
            dtype=self.dtype,
            lengths=symbols.lengths,
        )
        done = self.network(symbols, span, self.state if self._begun else None)
        self._pending = (span, done.update)
        return cap_logits(done.logits, self.network.logit_cap)

    def _commit(self) -> None:
        assert self._pending is not None
        span, update = self._pending
        self.state[READER]["position"].copy_(span.end)
        self.network.commit(self.state, self._rows, update, span.end)
        self._pending, self._begun = None, True


def score_rows(reader: Reader, rows: Tensor, mask: Tensor) -> Tensor:
    """Summed nats (R,) of the bytes of uint8 rows (R, T) where `mask` holds, read in spans of at most 256 symbols.

    What lies behind the last byte that counts is not read. A unit of several bytes counts with the share of them
    that do.
    """
    sums = rows.device if has_float64(rows.device) else torch.device("cpu")  # where they are added up
    total = torch.zeros(len(rows), dtype=torch.float64, device=sums)
    read = up_to_last(mask)
    symbols, _ = reader.codec.encode(rows, read, None)
    share = None if bool((mask == read).all()) else counted_share(symbols, mask)
    for first, part, log_probs in read_in_spans(reader, symbols):
        chosen = log_probs.gather(-1, part.ids.long().unsqueeze(-1)).squeeze(-1).masked_fill(~part.valid, 0.0)
        if share is not None:
            chosen = chosen * share[:, first : first + SPAN_SYMBOLS]
        total -= chosen.flatten(1).to(sums).sum(dim=1, dtype=torch.float64)
    return total


def read_in_spans(reader: Reader, symbols: Symbols) -> Iterator[tuple[int, Symbols, Tensor]]:
    """Read symbols of R rows, at most 256 at a time: where each part begins, the part, and its log-probabilities."""
    for first in range(0, symbols.ids.shape[1], SPAN_SYMBOLS):
        part = _part(symbols, first)
        yield first, part, reader.read_symbols(part).log_softmax(dim=-1)


def up_to_last(mask: Tensor) -> Tensor:
    """True up to the last True of each row of `mask` (R, T).

    >>> up_to_last(torch.tensor([[False, True, False], [False, False, False]])).tolist()
    [[True, True, False], [False, False, False]]
    """
    return mask.flip(1).cummax(dim=1).values.flip(1)


def counted_share(symbols: Symbols, mask: Tensor) -> Tensor:
    """Share of each unit's bytes for which `mask` (R, T) holds; units stand for the bytes of a row in their order.

    >>> units = torch.tensor([[2, 1, 1]])
    >>> symbols = Symbols(ids=units, valid=units > 0, num_bytes=units)
    >>> counted_share(symbols, torch.tensor([[False, True, True, False]])).tolist()
    [[0.5, 1.0, 0.0]]
    """
    num_bytes = symbols.num_bytes.flatten(1)
    behind = num_bytes.cumsum(dim=1)
    counted = functional.pad(mask.long().cumsum(dim=1), (1, 0))
    inside = counted.gather(1, behind) - counted.gather(1, behind - num_bytes)
    return (inside / num_bytes.clamp(min=1)).view(symbols.num_bytes.shape)


def _part(symbols: Symbols, first: int) -> Symbols:
    """At most 256 symbols from one on; a row ends where it does."""
    chosen = slice(first, first + SPAN_SYMBOLS)
    lengths = symbols.lengths
    return Symbols(
        ids=symbols.ids[:, chosen],
        valid=symbols.valid[:, chosen],
        num_bytes=symbols.num_bytes[:, chosen],
        lengths=None if lengths is None else (lengths - first).clamp(0, SPAN_SYMBOLS),
    )


class Continuing(Protocol):
    """What generation needs of a reader of one row."""

    @property
    def codec(self) -> Codec:
        """Of its symbols."""

    @property
    def device(self) -> torch.device:
        """Where it predicts."""

    def read(self, rows: Tensor) -> object:
        """Read further uint8 rows (1, T)."""

    def predict(self) -> Tensor:
        """Logits (1, V) of the unit to come."""

    def accept(self, unit: Tensor) -> None:
        """Read an int64 unit (1,) after `predict`."""


def continue_bytes(
    reader: Continuing,
    prompt: bytes,
    *,
    max_bytes: int,
    temperature: float,
    top_p: float,
    generator: torch.Generator,
    top_k: int = 0,
) -> Iterator[bytes]:
    """Read `prompt`, then yield at most `max_bytes` bytes, unit by unit, each drawn and read in its turn."""
    begun = torch.frombuffer(bytearray(prompt), dtype=torch.uint8) if prompt else torch.empty(0)
    for part in torch.split(begun.to(reader.device, torch.uint8)[None], SPAN_SYMBOLS, dim=1):
        if part.shape[1]:
            reader.read(part)
    left = max_bytes
    while left > 0:
        logits = reader.predict()[0]
        unit = draw(logits, temperature=temperature, top_p=top_p, top_k=top_k, generator=generator)
        reader.accept(torch.tensor([unit], device=reader.device))
        piece = reader.codec.decode(unit)[:left]
        left -= len(piece)
        yield piece


def draw(
    logits: Tensor, *, temperature: float, top_p: float, generator: torch.Generator, top_k: int = 0
) -> int:
    """One unit from logits (V,): the most probable ones that together reach `top_p`, in their proportions.

    At most `top_k` of them, if it is not 0. Temperature 0 takes the most probable, as does one so near to it that the
    logits would overflow.

    Source: Holtzman et al. 2020 (nucleus sampling), Fan et al. 2018 (top-k).

    >>> generator = torch.Generator().manual_seed(0)
    >>> likely = torch.tensor([1.0, 3.0, 2.0])
    >>> {draw(likely, temperature=5.0, top_p=1.0, top_k=2, generator=generator) for _ in range(50)}
    {1, 2}
    """
    logits = widened(logits.detach().to(generator.device))
    if temperature < COLDEST:
        return int(logits.argmax())
    probability, order = (logits / temperature).softmax(dim=-1).sort(descending=True, stable=True)
    # The first unit is always kept; each next one while those before it have not reached top_p.
    probability = probability.masked_fill(probability.cumsum(dim=-1) - probability >= top_p, 0.0)
    if top_k:
        probability[top_k:] = 0.0
    return int(order[torch.multinomial(probability, 1, generator=generator)])
