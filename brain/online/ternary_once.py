"""Ternary matrices made once for as long as weights do not change, not in each pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.blocks.held_ternary import HeldTernary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.online.sequence_network import SequenceNetwork


@torch.no_grad()
def hold(network: SequenceNetwork, dtype: torch.dtype) -> None:
    """Hold the matrices of a ternary network whose weights no longer change.

    Args:
        network: whose they are.
        dtype: precision of its matrix products.
    """
    for matrix in network.ternary_matrices().values():
        matrix.held = HeldTernary(matrix.as_ternary(), dtype)


def while_held(network: SequenceNetwork, dtype: torch.dtype, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces that a ternary network generates, its matrices held until the last; nothing may learn meanwhile."""
    free = [matrix for matrix in network.ternary_matrices().values() if matrix.held is None]
    try:
        for matrix in free:
            matrix.held = HeldTernary(matrix.as_ternary(), dtype)
        yield from pieces
    finally:
        for matrix in free:
            matrix.held = None
