"""Generation's fast way: when one row reads one position on a CPU and nothing learns, blocks run as compiled loops."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from brain.jit import EXACT_ENOUGH, compile_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from brain.blocks.linear import Linear
    from brain.blocks.span import Span

    Array = NDArray[Any]

logger = logging.getLogger(__name__)


class ByteLoops(NamedTuple):
    """The blocks of `brain.blocks.loops.byte_loops`, compiled."""

    normed: Callable[..., Any]
    mingru_block: Callable[..., None]
    fused_block: Callable[..., Any]
    read_out: Callable[..., tuple[Any, Any]]


@cache
def byte_loops() -> ByteLoops | None:
    """Compiled when first called, or taken from the cache; None without Numba."""
    try:
        from brain.blocks.loops import byte_loops as written  # noqa: PLC0415 - it imports Numba
        from brain.blocks.loops import matrix_loops  # noqa: PLC0415

        functions, sources = [getattr(written, name) for name in ByteLoops._fields], [written, matrix_loops]
        return ByteLoops(*compile_all(*functions, sources=sources, kept=True, fastmath=EXACT_ENOUGH))
    except ImportError:
        logger.warning("Numba is not installed: generation is slower (pip install numba)")
        return None


def serves(span: Span, ids: Tensor, weight: Tensor) -> ByteLoops | None:
    """The loops, if this pass reads one position of one continuing row on a CPU without gradients."""
    if ids.shape != (1, 1) or torch.is_grad_enabled() or span.lengths is not None or span.fresh_only:
        return None
    fits = weight.device.type == "cpu" and weight.dtype in {torch.float32, torch.float64}
    # A row that is fresh has a state that must not be looked at.
    return byte_loops() if fits and int(span.position) > 0 else None


class Arrays:
    """Weights as the loops take them, the same memory; taken anew where a weight's memory has become another.

    A `Linear` stands for its matrix, which is a ternary one while it is held.
    """

    def __init__(self, weights: Sequence[Tensor | Linear]) -> None:
        self._weights = list(weights)
        self._places: list[object] = []
        self._arrays: tuple[Any, ...] = ()

    def __call__(self) -> tuple[Any, ...]:
        """In the order of the weights."""
        places = [_place(weight) for weight in self._weights]
        if places != self._places:
            self._places = places
            self._arrays = tuple(_taken(weight) for weight in self._weights)
        return self._arrays


def _place(weight: Tensor | Linear) -> object:
    if isinstance(weight, Tensor):
        return weight.data_ptr()
    return weight.held or weight.weight.data_ptr()


def _taken(weight: Tensor | Linear) -> Any:
    if isinstance(weight, Tensor):
        return weight.detach().contiguous().numpy()
    return _taken(weight.weight) if weight.held is None else weight.held.arrays


def as_they_are(matrices: Iterable[Linear]) -> bool:
    """Whether the loops can take these: in full precision, or ternary ones that are held."""
    return all(not matrix.is_ternary or matrix.held is not None for matrix in matrices)


def row_of(state: Tensor) -> tuple[Array, Tensor, Array]:
    """The only row of a state as an array, room for what it becomes, and that as an array."""
    new = torch.empty_like(state)
    return state.numpy()[0], new, new.numpy()[0]
