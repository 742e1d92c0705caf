"""Muon's orthogonal updates for small matrices of one shape at once: the same bits, fewer and larger operations.

Source: Jordan et al. 2024, "Muon"; what one matrix gets is `torch.optim.Muon`'s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, DEFAULT_NS_STEPS, EPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

NARROW = 192  # a matrix whose narrower side is wider than this fills the machine by itself


def stacks(matrices: Mapping[str, Tensor]) -> list[list[str]]:
    """Names that are worth stacking: of one shape, narrow, on a CPU, and more than one.

    >>> wide, narrow = torch.zeros(256, 256), torch.zeros(4, 8)
    >>> stacks({"a": narrow, "b": wide, "c": narrow, "d": wide, "e": narrow.T})
    [['a', 'c']]
    """
    alike: dict[tuple[torch.Size, torch.dtype], list[str]] = {}
    for name, matrix in matrices.items():
        if matrix.device.type == "cpu" and min(matrix.shape) <= NARROW:
            alike.setdefault((matrix.shape, matrix.dtype), []).append(name)
    return [names for names in alike.values() if len(names) > 1]


def orthogonal(updates: Tensor) -> Tensor:
    """Each of a stack of matrices (N, O, I) nearly orthogonal, in bfloat16, by Newton and Schulz."""
    x = updates.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=EPS)
    for _ in range(DEFAULT_NS_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(gram, gram, gram, beta=DEFAULT_B, alpha=DEFAULT_C), x, beta=DEFAULT_A
        )
    return x.mT if tall else x


def stacked_muon(
    weights: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """A step of Muon (Nesterov momentum) for matrices of one shape, in place."""
    updates = []
    for gradient, buffer in zip(gradients, buffers, strict=True):
        buffer.lerp_(gradient, 1 - momentum)
        updates.append(gradient.lerp(buffer, momentum))
    outputs, inputs = weights[0].shape
    rate = learning_rate * math.sqrt(max(1, outputs / inputs))
    for weight, update in zip(weights, orthogonal(torch.stack(updates)), strict=True):
        weight.mul_(1 - learning_rate * weight_decay)
        weight.add_(update, alpha=-rate)
