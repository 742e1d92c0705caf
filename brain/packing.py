"""The weights of a ternary brain in few bits, and back: what a packed file holds.

A matrix becomes its signs, five a byte (base 3) or four (2 bits), and its scales. Of a table the rows that are not
zero are kept, in 8 or 4 bits or as signs, each with a scale. All else stays as it is. Weights that come back are the
ones that the brain computes with, so they give the same bits wherever they are unpacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from brain.blocks.row_table import RowTable
from brain.blocks.ternary import Ternary, ternary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.online.sequence_network import SequenceNetwork

SignsPerByte = Literal[4, 5]
TableBits = Literal[2, 4, 8]
SMALLEST_SHARE = 12  # a packed file is at most such a part of the weights in single precision
FLOAT_BYTES = 4


class PackingError(ValueError):
    """A packed file lacks tensors, or they do not fit its layout."""


@dataclass(frozen=True)
class Packed:
    """Tensors as they are stored, and how each weight is: by its name, JSON; what has no entry is as it was."""

    tensors: dict[str, Tensor]
    layout: dict[str, dict[str, Any]]

    @property
    def num_bytes(self) -> int:
        """Of all tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


def described(packed: Packed) -> str:
    """What a packed brain is, for people.

    >>> described(Packed({}, {}))
    'single precision'

    >>> described(Packed({}, {"a": {"form": "ternary", "per_byte": 5}, "b": {"form": "table", "bits": 8}}))
    'ternary, signs at 1.6 bits, tables at 8 bits'
    """
    if not packed.layout:
        return "single precision"
    words = {"ternary"}
    for form in packed.layout.values():
        if form["form"] == "ternary":
            words.add(f"signs at {8 / form['per_byte']:g} bits")
        else:
            words.add(f"tables at {form['bits']} bits")
    return ", ".join(sorted(words, key=lambda word: (word != "ternary", word)))


def float_bytes(weights: Mapping[str, Tensor]) -> int:
    """What weights take in single precision.

    >>> float_bytes({"a": torch.zeros(2, 3)})
    24
    """
    return FLOAT_BYTES * sum(tensor.numel() for tensor in weights.values())


def pack_within_share(
    network: SequenceNetwork, weights: Mapping[str, Tensor], *, per_byte: SignsPerByte
) -> Packed:
    """The weights with the most bits for tables with which they take a twelfth; with the fewest where none do."""
    most = float_bytes(weights) // SMALLEST_SHARE
    choices: tuple[TableBits, ...] = (8, 4, 2)
    packed = pack(network, weights, per_byte=per_byte, table_bits=choices[0])
    for bits in choices[1:]:
        # Names and shapes stand in the file too.
        if packed.num_bytes + 200 * len(packed.tensors) <= most:
            break
        packed = pack(network, weights, per_byte=per_byte, table_bits=bits)
    return packed


@torch.no_grad()
def pack(
    network: SequenceNetwork, weights: Mapping[str, Tensor], *, per_byte: SignsPerByte, table_bits: TableBits
) -> Packed:
    """The weights of a network whose spec is ternary."""
    matrices = {name: module.num_existing for name, module in network.ternary_matrices().items()}
    tables = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, RowTable)}
    packed = Packed({}, {})
    for name, weight in weights.items():
        plain = weight.detach().cpu()
        if name in matrices:
            _put_matrix(packed, name, ternary(plain.float(), matrices[name]), per_byte)
        elif name in tables:
            _put_table(packed, name, plain.float(), per_byte, table_bits)
        else:
            packed.tensors[name] = plain.contiguous()
    return packed


def unpack(packed: Packed) -> dict[str, Tensor]:
    """The weights by name, in single precision.

    Raises:
        PackingError: something is missing, or not of the form that the layout says.
    """
    parts = {f"{name}|{part}" for name in packed.layout for part in _PARTS}
    weights = {name: tensor for name, tensor in packed.tensors.items() if name not in parts}
    for name, form in packed.layout.items():
        own = {part: packed.tensors.get(f"{name}|{part}") for part in _PARTS}
        try:
            take = {"ternary": _taken_matrix, "table": _taken_table}[form["form"]]
            weights[name] = take(form, {part: one for part, one in own.items() if one is not None})
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise PackingError(f"{name} cannot be unpacked ({error})") from error
    return weights


_PARTS = ("signs", "row_scale", "column_scale", "kept", "levels", "scale")


def _put_matrix(packed: Packed, name: str, matrix: Ternary, per_byte: SignsPerByte) -> None:
    form = {"form": "ternary", "shape": list(matrix.signs.shape), "existing": matrix.num_existing}
    packed.layout[name] = {**form, "per_byte": per_byte}
    packed.tensors[f"{name}|signs"] = pack_signs(matrix.signs, per_byte)
    packed.tensors[f"{name}|row_scale"] = matrix.row_scale.to(torch.bfloat16)
    packed.tensors[f"{name}|column_scale"] = matrix.column_scale.to(torch.bfloat16)


def _taken_matrix(form: Mapping[str, Any], own: Mapping[str, Tensor]) -> Tensor:
    rows, columns = form["shape"]
    signs = unpack_signs(own["signs"], rows * columns, form["per_byte"]).view(rows, columns).float()
    row_scale, column_scale = own["row_scale"].float(), own["column_scale"].float()
    if row_scale.shape != (rows, 1) or column_scale.shape != (1, columns - form["existing"]):
        raise ValueError("scales of another shape")
    return Ternary(signs, row_scale, column_scale).weight()


def _put_table(packed: Packed, name: str, table: Tensor, per_byte: SignsPerByte, bits: TableBits) -> None:
    kept = (table != 0).any(dim=1)
    rows = table[kept]
    packed.layout[name] = {"form": "table", "shape": list(table.shape), "bits": bits, "per_byte": per_byte}
    packed.tensors[f"{name}|kept"] = _pack_digits(kept.to(torch.uint8), base=2, per_byte=8)
    if bits == 2:
        signs = ternary(rows)
        packed.tensors[f"{name}|levels"] = pack_signs(signs.signs, per_byte)
        packed.tensors[f"{name}|scale"] = signs.row_scale.to(torch.bfloat16)
        return
    most = _most_level(bits)
    scale = (rows.abs().amax(dim=1, keepdim=True) / most).to(torch.bfloat16) if len(rows) else rows[:, :1]
    levels = (rows / scale.float().clamp(min=torch.finfo(torch.float32).tiny)).round_().clamp_(-most, most)
    digits = (levels + most).to(torch.uint8)
    packed.tensors[f"{name}|levels"] = _pack_digits(digits, base=1 << bits, per_byte=8 // bits)
    packed.tensors[f"{name}|scale"] = scale.to(torch.bfloat16)


def _taken_table(form: Mapping[str, Any], own: Mapping[str, Tensor]) -> Tensor:
    rows, columns = form["shape"]
    bits, scale = form["bits"], own["scale"].float()
    kept = _unpack_digits(own["kept"], rows, base=2, per_byte=8).bool()
    count = int(kept.sum()) * columns
    if bits == 2:
        levels = unpack_signs(own["levels"], count, form["per_byte"]).float()
    else:
        digits = _unpack_digits(own["levels"], count, base=1 << bits, per_byte=8 // bits)
        levels = digits.float() - _most_level(bits)
    table = torch.zeros(rows, columns)
    table[kept] = levels.view(-1, columns) * scale
    return table


def _most_level(bits: int) -> int:
    return (1 << (bits - 1)) - 1


def pack_signs(signs: Tensor, per_byte: SignsPerByte) -> Tensor:
    """−1, 0 and 1 of any shape as bytes, four or five in each.

    >>> pack_signs(torch.tensor([1, -1, 0, 0, 1, 1]), 5).tolist()
    [200, 2]
    """
    digits = (signs + 1).to(torch.uint8)
    return _pack_digits(digits, base=4 if per_byte == 4 else 3, per_byte=per_byte)


def unpack_signs(packed: Tensor, count: int, per_byte: SignsPerByte) -> Tensor:
    """`pack_signs` back, as int8 (count,).

    >>> unpack_signs(torch.tensor([200, 2], dtype=torch.uint8), 6, 5).tolist()
    [1, -1, 0, 0, 1, 1]

    Raises:
        ValueError: a digit is no sign.
    """
    digits = _unpack_digits(packed, count, base=4 if per_byte == 4 else 3, per_byte=per_byte)
    if bool((digits > 2).any()):
        raise ValueError("a digit is not a sign")
    return digits.to(torch.int8) - 1


def _pack_digits(digits: Tensor, *, base: int, per_byte: int) -> Tensor:
    """Digits below `base` in the order in which they stand, `per_byte` in each byte, the first counting least."""
    flat = digits.reshape(-1)
    filled = torch.nn.functional.pad(flat, (0, -len(flat) % per_byte)).view(-1, per_byte)
    packed = torch.zeros(len(filled), dtype=torch.uint8)
    for place in range(per_byte):
        packed += filled[:, place] * base**place
    return packed


def _unpack_digits(packed: Tensor, count: int, *, base: int, per_byte: int) -> Tensor:
    if packed.dtype is not torch.uint8 or packed.shape != (-(-count // per_byte),):
        raise ValueError("of another size than was packed")
    wide = packed.to(torch.int16)
    digits = torch.stack([(wide // base**place) % base for place in range(per_byte)], dim=1)
    return digits.reshape(-1)[:count].to(torch.uint8)
