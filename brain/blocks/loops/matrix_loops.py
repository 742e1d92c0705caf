"""A matrix applied to one vector, dense or ternary; loops that Numba compiles.

A ternary matrix is a tuple: signs (O, E) in int8, the scale of each row (O,), and the columns born later (O, I − E) as
floats. Its products are the same bits as `brain.blocks.ternary` gives: whole numbers add up exactly in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from brain.jit import jitable, of_two_forms, vectorable

Array = Any
MAX_LEVEL = 127  # as `brain.blocks.ternary` has it
LANES = 16


@vectorable
def dense_product(weight: Array, x: Array) -> Array:
    """W x, row by row: in one stream a matrix comes from memory twice as fast as in four."""
    outputs, inputs = weight.shape
    y = np.empty(outputs, x.dtype)
    for o in range(outputs):
        total = x.dtype.type(0)
        for i in range(inputs):
            total += weight[o, i] * x[i]
        y[o] = total
    return y


@vectorable
def _sign_sums(signs: Array, levels: Array) -> Array:
    outputs, inputs = signs.shape
    y = np.empty(outputs, levels.dtype)
    for o in range(outputs):
        total = levels.dtype.type(0)
        for i in range(inputs):
            total += signs[o, i] * levels[i]
        y[o] = total
    return y


@jitable
def _largest(x: Array) -> Any:
    """Max |x|, in lanes side by side, which become a vector."""
    lanes = np.zeros(LANES, x.dtype)
    whole = len(x) // LANES * LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            size = abs(x[i + lane])
            lanes[lane] = size if size > lanes[lane] else lanes[lane]  # noqa: FURB136 - `max` is compiled to no vector
    most = lanes.max()
    for i in range(whole, len(x)):
        most = max(most, abs(x[i]))
    return most


@jitable
def ternary_product(matrix: tuple[Array, Array, Array], x: Array) -> Array:
    """Ŵ x̂, with x rounded to levels of −127 … 127."""
    signs, row_scale, later = matrix
    existing = signs.shape[1]
    scale = x.dtype.type(_largest(x[:existing]) / x.dtype.type(MAX_LEVEL))
    levels = np.zeros(existing, x.dtype)
    if scale != 0.0:
        for i in range(existing):
            levels[i] = np.rint(x[i] / scale)
    y = _sign_sums(signs, levels)
    for o in range(len(y)):
        y[o] = y[o] * scale * row_scale[o]
    if later.shape[1]:
        y += dense_product(later, x[existing:])
    return y


@of_two_forms(array=dense_product, parts=ternary_product)
def product(matrix: Any, x: Array) -> Array:
    """W x of a dense matrix (O, I), or of a ternary one."""
    return ternary_product(matrix, x) if isinstance(matrix, tuple) else dense_product(matrix, x)


def ternary_row(signs: Array, row_scale: Array, later: Array, x: Array, y: Array) -> None:
    """`ternary_product` into y, for one matrix by itself."""
    y[:] = ternary_product((signs, row_scale, later), x)
