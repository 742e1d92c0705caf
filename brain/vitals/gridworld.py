"""A walled grid with slipping actions: the known world on which agency and empowerment are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from brain.vitals.discrete import Array, channel_capacity, conditional_agency

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOVES = {
    "stay": (0, 0),
    "up": (-1, 0),
    "down": (1, 0),
    "left": (0, -1),
    "right": (0, 1),
    "up_left": (-1, -1),
    "up_right": (-1, 1),
    "down_left": (1, -1),
    "down_right": (1, 1),
}


def grid_transitions(size: int, slip: float, actions: Sequence[str]) -> Array:
    """p(s′ | s, a), (size², A, size²): walls block, and with probability `slip` the action is a random one.

    Raises:
        ValueError: for an unknown action, a slip outside [0, 1] or an empty grid.
    """
    if size < 1 or not 0.0 <= slip <= 1.0 or not actions:
        raise ValueError(
            f"a grid needs a size of at least 1, a slip in [0, 1] and actions, not {size}, {slip}"
        )
    unknown = [action for action in actions if action not in _MOVES]
    if unknown:
        raise ValueError(f"unknown action {unknown[0]!r}; known: {', '.join(_MOVES)}")
    sure = np.zeros((size * size, len(actions), size * size))
    for cell in range(size * size):
        row, column = divmod(cell, size)
        for index, action in enumerate(actions):
            down, right = _MOVES[action]
            to_row, to_column = row + down, column + right
            inside = 0 <= to_row < size and 0 <= to_column < size
            sure[cell, index, to_row * size + to_column if inside else cell] = 1.0
    return np.asarray((1.0 - slip) * sure + slip * sure.mean(1, keepdims=True))


def empowerment(transitions: Array, cell: int, num_steps: int) -> float:
    """Capacity in nats from sequences of `num_steps` actions, begun in `cell`, to the cell they end in.

    Source: Klyubin, Polani, Nehaniv 2005.
    """
    reached = np.zeros((1, transitions.shape[0]))
    reached[0, cell] = 1.0
    for _ in range(num_steps):
        reached = np.einsum("ks,sat->kat", reached, transitions).reshape(-1, transitions.shape[0])
    return channel_capacity(reached)


def uniform_agency(transitions: Array) -> float:
    """I(A; S′ | S) / H(A | S) for uniform states and a uniform policy."""
    cells, actions, _ = transitions.shape
    return conditional_agency(
        np.full(cells, 1.0 / cells), np.full((cells, actions), 1.0 / actions), transitions
    )
