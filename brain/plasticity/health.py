"""How able to learn a network is: plain measures of units and weights, for vital signs and growth.

Shapes: N examples, H units of one layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.devices import widened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def dormant_units(strength: Tensor, *, threshold: float = 0.025) -> Tensor:
    """Which units are next to silent: a mean |h| of at most `threshold` of the layer's mean.

    Shapes: strength (…, H) mean |h| of each unit, result bool (…, H). Source: Sokar et al. 2023, "The dormant
    neuron phenomenon", τ = 0.025.

    >>> dormant_units(torch.tensor([1.0, 0.0, 2.0, 0.0])).tolist()
    [False, True, False, True]
    """
    return strength <= threshold * strength.mean(-1, keepdim=True)


def dormant_share(activity: Tensor, *, threshold: float = 0.025) -> float:
    """Share of units that are dormant. Shapes: activity (N, H).

    >>> dormant_share(torch.tensor([[1.0, 0.0, 2.0, 0.0]]))
    0.5
    """
    return float(dormant_units(activity.abs().mean(0), threshold=threshold).float().mean())


def effective_rank(activity: Tensor) -> float:
    """How many directions the units really use: exp of the entropy of the normalised singular values.

    Shapes: activity (N, H). Source: Roy & Vetterli 2007, "The effective rank".

    >>> round(effective_rank(torch.eye(4)), 3), round(effective_rank(torch.ones(4, 4)), 3)
    (4.0, 1.0)
    """
    wide = widened(activity)
    if len(wide) > wide.shape[1]:
        # From the smaller Gram matrix, at a third of the cost; what rounding leaves below 1e-7 is no direction.
        values = torch.linalg.eigvalsh(wide.T @ wide).clamp_(min=0.0).sqrt_()
        values = values.masked_fill(values < 1e-7 * values.max(), 0.0)
    else:
        values = torch.linalg.svdvals(wide)
    total = values.sum()
    if total == 0:
        return 0.0
    share = values / total
    share = share[share > 0]
    return float((-(share * share.log()).sum()).exp())


def weight_norm(weights: Iterable[Tensor]) -> float:
    """Root mean square of all weights together; it creeps up as plasticity is lost.

    >>> weight_norm([torch.tensor([3.0, 0.0]), torch.tensor([[4.0, 0.0]])])
    2.5
    """
    total, count = 0.0, 0
    for weight in weights:
        total += float(weight.detach().square().sum())
        count += weight.numel()
    return (total / count) ** 0.5 if count else 0.0
