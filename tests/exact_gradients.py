"""Gradients against central differences along random directions: few passes, and far closer than a whole Jacobian's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STEP, DIRECTIONS = 1e-4, 3


def assert_exact_gradients(output: Callable[[], Tensor], leaves: Iterable[Tensor]) -> None:
    """Every leaf's gradient of a randomly weighted `output`, in float64, is the slope along each direction.

    A wrong entry shows in almost every direction, by its share of the slope: hence the close tolerance.
    """
    leaves = [*leaves]
    generator = torch.Generator().manual_seed(5)

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, dtype=like.dtype, generator=generator)

    y = output()
    weight = draw(y)
    gradients = torch.autograd.grad((y * weight).sum(), leaves)

    @torch.no_grad()
    def moved(leaf: Tensor, along: Tensor, by: float) -> Tensor:
        kept = leaf.clone()
        leaf.add_(along, alpha=by)
        loss = (output() * weight).sum()
        leaf.copy_(kept)
        return loss

    for place, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        assert gradient.any(), f"leaf {place}: no gradient"
        scale = gradient.norm()
        for along in (draw(leaf) for _ in range(DIRECTIONS)):
            # Fourth order: the two differences cancel the cubic term of each other.
            near, far = (
                (moved(leaf, along, by) - moved(leaf, along, -by)) / (2.0 * by) for by in (STEP, 2.0 * STEP)
            )
            error = abs((4.0 * near - far) / 3.0 - (gradient * along).sum())
            assert error <= 1e-6 * scale, f"leaf {place}: off by {error / scale:.1e}"
