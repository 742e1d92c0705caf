"""Cross-entropy of bytes under softly capped logits, with its own backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def cap_logits(logits: Tensor, cap: float) -> Tensor:
    """cap·tanh(logits / cap), in at least float32: never beyond ± `cap`, the identity near 0.

    >>> cap_logits(torch.tensor([0.0, 1e9]), 30.0).tolist()
    [0.0, 30.0]
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    return (logits.to(wide) / cap).tanh_().mul_(cap)


class _ByteNats(torch.autograd.Function):
    """Keeps the chances and tanh(logits / cap); exponentials and hyperbolic tangents are taken once."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, cap: float) -> tuple[Tensor, Tensor, Tensor]:
        capped = cap_logits(logits, cap)
        best, guess = capped.max(dim=-1, keepdim=True)
        chosen = capped.gather(-1, target)
        chance = (capped - best).exp_()
        total = chance.sum(dim=-1, keepdim=True)
        nats = total.log() + best - chosen
        chance.div_(total)
        ctx.save_for_backward(chance, capped.div_(cap), target)
        ctx.logits_dtype = logits.dtype
        confidence = total.reciprocal_()  # the best byte's own term in the sum is exp(0)
        ctx.mark_non_differentiable(confidence, guess)
        return nats, confidence, guess

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        chance, bent, target = ctx.saved_tensors
        # d nats / d capped = chance − [target];  d capped / d logits = 1 − tanh².
        slope = chance.scatter_add(-1, target, torch.full_like(gradients[0], -1.0)).mul_(gradients[0])
        return slope.addcmul_(slope * bent, bent, value=-1.0).to(ctx.logits_dtype), None, None


def byte_nats(logits: Tensor, target: Tensor, cap: float) -> tuple[Tensor, Tensor, Tensor]:
    """Nats of each target byte, the probability of the best guess, and that guess.

    Shapes: logits (…, 256) before the cap, target (…) uint8 or int64; results (…). Only the nats carry a
    gradient.
    """
    results = _ByteNats.apply(logits, target.long().unsqueeze(-1), cap)  # type: ignore[no-untyped-call]
    nats, confidence, guess = (t.squeeze(-1) for t in results)
    return nats, confidence, guess
