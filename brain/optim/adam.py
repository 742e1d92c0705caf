"""Adam over plain tensors, for weights that do not all share one step count; others take torch's fused AdamW.

Source: Kingma & Ba 2015 (Adam), Loshchilov & Hutter 2019 (decoupled weight decay).
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def update_moments(
    gradient: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    *,
    correction_sq: Tensor,
    betas: tuple[float, float],
    eps: float,
) -> Tensor:
    """Take a gradient into both moments, in place; returns the scale that divides the first, of their shape.

    Args:
        gradient: of the weights, of their shape.
        exp_avg: first moment.
        exp_avg_sq: second moment.
        correction_sq: 1 - beta2 ** step, broadcastable; what makes up for a second moment that began at zero.
        betas: decay of the moments.
        eps: added to the scale.
    """
    exp_avg.lerp_(gradient, 1.0 - betas[0])
    exp_avg_sq.mul_(betas[1]).addcmul_(gradient, gradient, value=1.0 - betas[1])
    return (exp_avg_sq / correction_sq).sqrt_().add_(eps)


@torch.no_grad()
def adamw_update(
    weight: Tensor,
    gradient: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    *,
    rate: Tensor,
    corrections: tuple[Tensor, Tensor],
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
) -> None:
    """One step of AdamW, in place.

    Args:
        weight: what learns.
        gradient: of its shape.
        exp_avg: first moment, of its shape.
        exp_avg_sq: second moment, of its shape.
        rate: learning rate, broadcastable.
        corrections: 1 - beta ** step for either beta, broadcastable.
        betas: decay of the moments.
        eps: added to the square root of the second moment.
        weight_decay: share of the weight that a rate of 1 would take away.

    >>> weight, moments = torch.ones(2), (torch.zeros(2), torch.zeros(2))
    >>> first = (torch.tensor(0.1), torch.tensor(0.001))
    >>> adamw_update(weight, torch.tensor([3.0, -0.2]), *moments, rate=torch.tensor(0.5), corrections=first,
    ...              betas=(0.9, 0.999), eps=0.0)
    >>> [round(value, 5) for value in weight.tolist()]
    [0.5, 1.5]
    """
    scale = update_moments(gradient, exp_avg, exp_avg_sq, correction_sq=corrections[1], betas=betas, eps=eps)
    if weight_decay:
        weight.mul_(1.0 - rate * weight_decay)
    weight.sub_(exp_avg.div(scale).mul_(rate / corrections[0]))
