"""What a codec is: byte rows become the symbols that a network reads, and symbols become bytes again.

Stream, replay, losses and the page stay in bytes whatever the network's units are.

Shapes: B rows, T bytes of a row, S symbols of a row, P units of a symbol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Carry = dict[str, "Tensor"]
"""What is undecided behind a row, rows first; all zeros when nothing is. Part of the state of a lane."""


@dataclass(frozen=True, kw_only=True)
class Symbols:
    """B rows as a network reads them. A unit is what a network gives one distribution for.

    Attributes:
        ids: integers (B, S) where a symbol is one unit, (B, S, P) where it is a patch of P.
        valid: bool like `ids`: False on padding and on units that are not scored.
        num_bytes: int64 like `ids`: bytes that each valid unit stands for, 0 elsewhere.
        lengths: int64 (B,), symbols of each row where a row that continues has fewer than S; None where none has.
    """

    ids: Tensor
    valid: Tensor
    num_bytes: Tensor
    lengths: Tensor | None = None

    @property
    def read(self) -> Tensor:
        """Symbols with a valid unit: bool (B, S)."""
        return self.valid if self.valid.dim() == 2 else self.valid.any(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Where generation continues from what is undecided.

    Attributes:
        symbols: what is now decided and is to be read first; None for nothing.
        ids: the symbol to be drawn, (R, 1) or (R, 1, P).
        known: how many of its units are known already, the same for every row.
    """

    symbols: Symbols | None
    ids: Tensor
    known: int = 0


class Codec(Protocol):
    """Turns bytes into symbols. It has no weights and keeps nothing: what is undecided is handed in and out."""

    @property
    def vocabulary(self) -> int:
        """How many distinct units there are."""

    @property
    def units(self) -> int:
        """Units of a symbol: 1, or P of a patch."""

    def new_carry(self, rows: int, *, device: torch.device) -> Carry:
        """Nothing undecided, for `rows` fresh rows."""

    def encode(
        self, rows: Tensor, mask: Tensor, carry: Carry | None, *, ends: Tensor | None = None
    ) -> tuple[Symbols, Carry]:
        """Symbols of uint8 rows (B, T), and what is undecided behind each.

        Args:
            rows: bytes.
            mask: bool (B, T), False behind the end of a row.
            carry: what was undecided before the rows; None when all are fresh.
            ends: bool (B,), rows behind which nothing may stay undecided; None: all of them.
        """

    def opening(self, carry: Carry, *, rows: int, device: torch.device) -> Opening:
        """How to continue generating behind `carry`.

        Raises:
            ValueError: the rows do not stand at the same place of a symbol.
        """

    def decode(self, unit: int) -> bytes:
        """The bytes of a unit."""
