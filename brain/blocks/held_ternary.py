"""A ternary matrix of weights that do not change meanwhile: made once, and applied to one vector by a compiled loop.

In generation a pass reads one vector. There a framework's handful of operations around a product of floats costs
more than the product, and a sign read as one byte costs a quarter of the memory of a float.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from brain.blocks.ternary import ternary_product
from brain.jit import EXACT_ENOUGH, compile_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from brain.blocks.ternary import Ternary


class HeldTernary:
    """What a matrix made ternary once keeps.

    Args:
        matrix: signs and scales.
        dtype: precision of the products of many vectors, in which their signs are kept.

    Attributes:
        arrays: signs, row scales and later columns as `brain.blocks.loops.matrix_loops` takes them; None off the CPU.
    """

    def __init__(self, matrix: Ternary, dtype: torch.dtype) -> None:
        wide, existing = torch.promote_types(matrix.row_scale.dtype, torch.float32), matrix.num_existing
        signs, later = matrix.signs[:, :existing], matrix.signs[:, existing:] * matrix.column_scale
        self._matrix = replace(matrix, signs=matrix.signs.to(dtype))
        self._wide = wide
        parts = (signs.to(torch.int8), matrix.row_scale[:, 0].to(wide), later.to(wide))
        self.arrays: tuple[Any, ...] | None = None
        if matrix.signs.device.type == "cpu":
            self.arrays = tuple(part.contiguous().numpy() for part in parts)

    def product(self, x: Tensor) -> Tensor:
        """x̂ Ŵᵀ for x (…, I), in the precision of x; nothing learns from it."""
        loop = ternary_row() if x.numel() == x.shape[-1] else None
        if loop is None or self.arrays is None:
            return ternary_product(x, self._matrix)[0].to(x.dtype)
        y = torch.empty(*x.shape[:-1], len(self._matrix.row_scale), dtype=self._wide)
        loop(*self.arrays, x.to(self._wide).contiguous().view(-1).numpy(), y.view(-1).numpy())
        return y.to(x.dtype)


@cache
def ternary_row() -> Callable[..., None] | None:
    """Compiled when first called, or taken from the cache; None without Numba."""
    try:
        from brain.blocks.loops import matrix_loops as written  # noqa: PLC0415 - it imports Numba

        [loop] = compile_all(written.ternary_row, sources=[written], kept=True, fastmath=EXACT_ENOUGH)
    except ImportError:
        return None
    return loop
