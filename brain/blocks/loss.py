"""Cross-entropy of symbols under softly capped logits, with its own backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def cap_logits(logits: Tensor, cap: float | None) -> Tensor:
    """cap·tanh(logits / cap), in at least float32: never beyond ± `cap`, the identity near 0; None: no cap.

    It works in place on what it makes, which a gradient does not survive; `soft_capped` carries one.

    >>> cap_logits(torch.tensor([0.0, 1e9]), 30.0).tolist()
    [0.0, 30.0]
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return wide if cap is None else (wide / cap).tanh_().mul_(cap)


def soft_capped(logits: Tensor, cap: float | None) -> Tensor:
    """As `cap_logits`, in float32 and with a gradient."""
    wide = logits.float()
    return wide if cap is None else (wide / cap).tanh() * cap


class _Nats(torch.autograd.Function):
    """Keeps the probabilities and tanh(logits / cap), each taken once."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, cap: float | None) -> tuple[Tensor, Tensor, Tensor]:
        capped = cap_logits(logits, cap)
        best, guess = capped.max(dim=-1, keepdim=True)
        chosen = capped.gather(-1, target)
        probability = (capped - best).exp_()
        total = probability.sum(dim=-1, keepdim=True)
        nats = total.log() + best - chosen
        probability.div_(total)
        bent = () if cap is None else (capped.div_(cap),)
        ctx.save_for_backward(probability, target, *bent)
        ctx.logits_dtype = logits.dtype
        confidence = total.reciprocal_()  # the best symbol's own term in the sum is exp(0)
        ctx.mark_non_differentiable(confidence, guess)
        return nats, confidence, guess

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        probability, target, *bent = ctx.saved_tensors
        # d nats / d capped = probability − [target];  d capped / d logits = 1 − tanh².
        slope = probability.scatter_add(-1, target, torch.full_like(gradients[0], -1.0)).mul_(gradients[0])
        for tanh in bent:
            slope.addcmul_(slope * tanh, tanh, value=-1.0)
        return slope.to(ctx.logits_dtype), None, None


def symbol_nats(logits: Tensor, target: Tensor, cap: float | None) -> tuple[Tensor, Tensor, Tensor]:
    """Nats of each target, the probability of the best guess, and that guess.

    Shapes: logits (…, V) before the cap, target (…) of any integer type; results (…). Only the nats carry a
    gradient.
    """
    results = _Nats.apply(logits, target.long().unsqueeze(-1), cap)  # type: ignore[no-untyped-call]
    nats, confidence, guess = (t.squeeze(-1) for t in results)
    return nats, confidence, guess
