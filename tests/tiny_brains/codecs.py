"""Two codecs whose symbols are not bytes: patches of four, and a vocabulary of 300."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from brain.codecs.codec import Carry, Opening, Symbols

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PatchCodec:
    """Each `units` bytes in a row are a symbol; what does not fill one waits for the next row."""

    units: int = 4
    vocabulary: int = 256

    def new_carry(self, rows: int, *, device: torch.device) -> Carry:
        return {
            "rest": torch.zeros(rows, self.units - 1, dtype=torch.uint8, device=device),
            "count": torch.zeros(rows, dtype=torch.int64, device=device),
        }

    def encode(
        self, rows: Tensor, mask: Tensor, carry: Carry | None, *, ends: Tensor | None = None
    ) -> tuple[Symbols, Carry]:
        if carry is None:
            carry = self.new_carry(len(rows), device=rows.device)
        if ends is None:
            ends = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        count, size = carry["count"], self.units
        total = count + mask.sum(dim=1)
        width = -(-(rows.shape[1] + size - 1) // size) * size
        place = torch.arange(width, device=rows.device).expand(len(rows), -1)
        kept = torch.cat([carry["rest"], torch.zeros_like(rows[:, :1])], dim=1)
        from_rest = kept.gather(1, place.clamp(max=size - 1))
        from_row = rows.gather(1, (place - count[:, None]).clamp(0, rows.shape[1] - 1))
        line = torch.where(place < count[:, None], from_rest, from_row)
        decided = torch.where(ends, total, total // size * size)
        lengths = -(-decided // size)
        ids = torch.where(place < decided[:, None], line, 0).view(len(rows), -1, size)
        valid = (place < decided[:, None]).view(len(rows), -1, size)
        behind = (decided[:, None] + torch.arange(size - 1, device=rows.device)).clamp(max=width - 1)
        left = total - decided
        rest = torch.where(
            torch.arange(size - 1, device=rows.device) < left[:, None], line.gather(1, behind), 0
        )
        symbols = Symbols(ids=ids, valid=valid, num_bytes=valid.long(), lengths=lengths)
        return symbols, {"rest": rest, "count": left}

    def opening(self, carry: Carry, *, rows: int, device: torch.device) -> Opening:
        known = set(carry["count"].tolist())
        if len(known) > 1:
            raise ValueError("the rows do not stand at the same place of a patch")
        ids = torch.zeros(rows, 1, self.units, dtype=torch.uint8, device=device)
        ids[:, 0, : self.units - 1] = carry["rest"]
        return Opening(symbols=None, ids=ids, known=known.pop())

    def decode(self, unit: int) -> bytes:
        return bytes([unit])


# What the contract's texts are made of, so that tokens of two and three bytes come up often.
MERGED = [bytes(pair) for first in range(97, 106) for pair in ((first, first + 1), (first + 1, first))]
MERGED += [bytes((byte, byte + 1, 97)) for byte in range(97, 105)]
MERGED += [bytes((0, byte)) for byte in range(44 - len(MERGED))]


class TokenCodec:
    """Greedy longest match over 256 bytes and 44 longer tokens; a tail that may still become a longer one waits."""

    units = 1

    def __init__(self) -> None:
        self.tokens = [bytes([byte]) for byte in range(256)] + MERGED
        self.vocabulary = len(self.tokens)
        self._number = {token: number for number, token in enumerate(self.tokens)}
        self._longest = max(map(len, self.tokens))
        self._heads = {token[:end] for token in self.tokens for end in range(1, len(token))}

    def new_carry(self, rows: int, *, device: torch.device) -> Carry:
        return {
            "rest": torch.zeros(rows, self._longest, dtype=torch.uint8, device=device),
            "count": torch.zeros(rows, dtype=torch.int64, device=device),
        }

    def encode(
        self, rows: Tensor, mask: Tensor, carry: Carry | None, *, ends: Tensor | None = None
    ) -> tuple[Symbols, Carry]:
        device = rows.device
        if carry is None:
            carry = self.new_carry(len(rows), device=device)
        ends = torch.ones(len(rows), dtype=torch.bool) if ends is None else ends
        left, found = [], []
        for row in range(len(rows)):
            before = bytes(carry["rest"][row, : int(carry["count"][row])].tolist())
            text = before + bytes(rows[row][mask[row]].tolist())
            tokens, rest = self._tokens(text, end=bool(ends[row]))
            found.append(tokens)
            left.append(rest)
        after = self.new_carry(len(rows), device=device)
        for row, rest in enumerate(left):
            after["rest"][row, : len(rest)] = torch.tensor(list(rest), dtype=torch.uint8, device=device)
            after["count"][row] = len(rest)
        return self._symbols(found, device), after

    def opening(self, carry: Carry, *, rows: int, device: torch.device) -> Opening:
        empty = torch.zeros(rows, 0, dtype=torch.uint8, device=device)
        tail, _ = self.encode(empty, empty.bool(), carry)
        return Opening(symbols=tail, ids=torch.zeros(rows, 1, dtype=torch.int64, device=device))

    def decode(self, unit: int) -> bytes:
        return self.tokens[unit]

    def _tokens(self, text: bytes, *, end: bool) -> tuple[list[int], bytes]:
        found: list[int] = []
        place = 0
        while place < len(text):
            rest = text[place : place + self._longest]
            if not end and place + len(rest) == len(text) and rest in self._heads:
                break
            size = next(size for size in range(len(rest), 0, -1) if rest[:size] in self._number)
            found.append(self._number[rest[:size]])
            place += size
        return found, text[place:]

    def _symbols(self, found: list[list[int]], device: torch.device) -> Symbols:
        lengths = torch.tensor([len(tokens) for tokens in found], device=device)
        width = max(1, int(lengths.max()))
        ids = torch.zeros(len(found), width, dtype=torch.int64, device=device)
        for row, tokens in enumerate(found):
            ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64, device=device)
        valid = torch.arange(width, device=device) < lengths[:, None]
        sizes = torch.tensor([len(token) for token in self.tokens], device=device)
        return Symbols(ids=ids, valid=valid, num_bytes=sizes[ids] * valid, lengths=lengths)
