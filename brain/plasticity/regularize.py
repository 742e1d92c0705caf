"""Drawing weights back: towards where they began (L2-Init), or towards zero with some noise."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def pull_to_start(weight: Tensor, start: Tensor, strength: float) -> None:
    """Move `weight` the share `strength` (learning rate × l2_init) of its way back to `start`, in place.

    Decoupled from the gradient, as AdamW's decay is, so that Adam does not divide it away.
    Source: Kumar et al. 2023, "Maintaining plasticity via regenerative regularization".

    >>> w = torch.tensor([3.0]); pull_to_start(w, torch.tensor([1.0]), 0.25); w.item()
    2.5
    """
    weight.lerp_(start, strength)


@torch.no_grad()
def shrink_and_perturb(weight: Tensor, *, shrink: float, noise: Tensor) -> None:
    """Shrink towards zero by the share `shrink` and add noise, in place.

    Source: Ash & Adams 2020, "On warm-starting neural network training".

    >>> w = torch.tensor([2.0]); shrink_and_perturb(w, shrink=0.5, noise=torch.tensor([0.25])); w.item()
    1.25
    """
    weight.mul_(1.0 - shrink).add_(noise)
