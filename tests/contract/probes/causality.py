"""Does the future leak into the past? Change what comes later; nothing before it may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from brain.ports import Brain


@torch.no_grad()
def sequence_leak(apply: Callable[[Tensor], Tensor], x: Tensor, position: int) -> float:
    """Largest change of outputs before `position` when all inputs (B, T, …) from it on are replaced.

    >>> sequence_leak(lambda x: x.cumsum(1), torch.ones(1, 8, 1), 4)
    0.0
    >>> sequence_leak(lambda x: x.flip(1), torch.ones(1, 8, 1), 4) > 0
    True
    """
    changed = x.clone()
    changed[:, position:] = -2.0 * changed[:, position:] - 1.0
    return (apply(x)[:, :position] - apply(changed)[:, :position]).abs().max().item()


def brain_leak(brain: Brain, rows: Tensor, position: int) -> float:
    """Largest change, in nats, of the score of bytes before `position` when all later bytes are replaced.

    Shapes: rows uint8 (B, T), 0 < position < T.
    """
    mask = torch.zeros(rows.shape, dtype=torch.bool)
    mask[:, :position] = True
    changed = rows.clone()
    changed[:, position:] = 255 - changed[:, position:]
    return (brain.score(rows, mask) - brain.score(changed, mask)).abs().max().item()
