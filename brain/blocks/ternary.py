"""Ternary matrices: each weight is −1, 0 or 1 times a scale, each activation an 8-bit integer times a scale.

While it learns a matrix keeps its weights in full precision and is used as if it were quantised; the gradient goes
straight through to them. Scales belong to what a unit owns, rows of what it was there with and each column that was
born later, so a unit that is born moves the scale of no other.

Shapes: O outputs, I inputs, the first E of them there from the start.
Source: Ma et al. 2024, "The era of 1-bit LLMs" (BitNet b1.58); the scale of what is kept from Li et al. 2016,
"Ternary weight networks"; straight-through gradients from Bengio et al. 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

MAX_LEVEL = 127


@dataclass(frozen=True)
class Ternary:
    """A matrix (O, I) as signs and scales, all in the precision of the weights.

    Attributes:
        signs: −1, 0 or 1.
        row_scale: (O, 1), of the first E columns.
        column_scale: (1, I − E), of the others.
    """

    signs: Tensor
    row_scale: Tensor
    column_scale: Tensor

    @property
    def num_existing(self) -> int:
        """E."""
        return self.signs.shape[1] - self.column_scale.shape[1]

    def weight(self) -> Tensor:
        """The matrix that they stand for; made ternary again it is the same, bit for bit."""
        signs, existing = self.signs, self.num_existing
        return torch.cat(
            [signs[:, :existing] * self.row_scale, signs[:, existing:] * self.column_scale], dim=1
        )


def ternary(weight: Tensor, num_existing: int | None = None) -> Ternary:
    """The matrix (O, I) with weights above half the mean size of their row (or later column) kept as signs.

    >>> made = ternary(torch.tensor([[4.0, -4.0, 1.0, 0.5]]))
    >>> made.signs.tolist(), made.row_scale.item()
    ([[1.0, -1.0, 0.0, 0.0]], 4.0)
    """
    existing = weight.shape[1] if num_existing is None else num_existing
    signs, row_scale = _signs(weight[:, :existing], dim=1)
    if existing == weight.shape[1]:
        return Ternary(signs, row_scale, weight.new_zeros(1, 0))
    later, column_scale = _signs(weight[:, existing:], dim=0)
    return Ternary(torch.cat([signs, later], dim=1), row_scale, column_scale)


def _signs(weight: Tensor, *, dim: int) -> tuple[Tensor, Tensor]:
    """Signs, and the mean size of the weights that keep one, along `dim`.

    clip(round(w / mean |w|), −1, 1) is the sign of w where |w| is above half of mean |w|. The scale is rounded to
    bfloat16: up to 65,536 equal ones then add up exactly, so that a matrix made ternary twice stays the same.
    """
    size = weight.abs()
    kept = (size > size.mean(dim=dim, keepdim=True) / 2).to(weight.dtype)
    scale = (size * kept).sum(dim=dim, keepdim=True) / kept.sum(dim=dim, keepdim=True).clamp_(min=1.0)
    return kept.mul_(weight.sign()), scale.to(torch.bfloat16).to(weight.dtype)


def int8_levels(x: Tensor) -> tuple[Tensor, Tensor]:
    """Whole levels of −127 … 127 (…, I), and the scale of each token (…, 1).

    >>> levels, scale = int8_levels(torch.tensor([[1.0, -0.5]]))
    >>> levels.tolist(), round(scale.item() * 127, 4)
    ([[127.0, -64.0]], 1.0)
    """
    scale = x.abs().amax(dim=-1, keepdim=True) / MAX_LEVEL
    return (x / scale.clamp(min=torch.finfo(x.dtype).tiny)).round_(), scale


def ternary_product(x: Tensor, matrix: Ternary) -> tuple[Tensor, Tensor, Tensor]:
    """x̂ Ŵᵀ in at least single precision, and the levels and scales that stand for x̂.

    Whole numbers are multiplied, and their scales afterwards.
    """
    dtype, existing = x.dtype, matrix.num_existing
    wide = torch.promote_types(dtype, torch.float32)
    signs = matrix.signs.to(dtype)
    levels, scale = int8_levels(x[..., :existing].to(wide))
    y = functional.linear(levels.to(dtype), signs[:, :existing]).to(wide)
    y = y * scale * matrix.row_scale[:, 0].to(wide)
    if existing < signs.shape[1]:  # each is its own scale: what is born must not round what others read
        later = signs[:, existing:] * matrix.column_scale.to(dtype)
        y = y + functional.linear(x[..., existing:], later)
    return y, levels, scale


class _TernaryProduct(torch.autograd.Function):
    """x̂ Ŵᵀ, whose gradient passes both roundings by."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, matrix: Ternary) -> Tensor:
        dtype, existing = x.dtype, matrix.num_existing
        y, levels, scale = ternary_product(x, matrix)
        if any(ctx.needs_input_grad):
            signs = matrix.signs.to(dtype)
            later = signs[:, existing:] * matrix.column_scale.to(dtype)
            read = torch.cat([(levels * scale).to(dtype), x[..., existing:]], dim=-1)
            ctx.save_for_backward(
                read, torch.cat([signs[:, :existing] * matrix.row_scale.to(dtype), later], dim=1)
            )
            ctx.weight_dtype = weight.dtype
        return y.to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        read, weight = ctx.saved_tensors
        [gradient] = gradients
        to_x, to_weight, _ = ctx.needs_input_grad
        flat = gradient.reshape(-1, len(weight))
        return (
            gradient @ weight if to_x else None,
            (flat.T @ read.reshape(-1, weight.shape[1])).to(ctx.weight_dtype) if to_weight else None,
            None,
        )


def ternary_linear(x: Tensor, weight: Tensor, matrix: Ternary) -> Tensor:
    """The product x̂ Ŵᵀ for x (…, I) and `matrix`, which is `weight` (O, I) made ternary."""
    if not torch.is_grad_enabled():
        return ternary_product(x, matrix)[0].to(x.dtype)
    y: Tensor = _TernaryProduct.apply(x, weight, matrix)  # type: ignore[no-untyped-call]
    return y
