"""The diagonal linear recurrence h_t = a_t h_{t−1} + b_t, in linear space and with its own backward.

Two forms that agree: sequential (one fused multiply-add a position, the fastest on a CPU) and doubling (log₂ T
passes over everything, for an accelerator, where a launch costs more than the work).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def sequential_scan(decay: Tensor, write: Tensor, initial: Tensor, *, reverse: bool = False) -> Tensor:
    """Position by position into one buffer; `reverse` runs from the end to the beginning. No gradient.

    Shapes: as in `linear_scan`, or write (B, T, …), initial (B, …) and a decay (B, T, …) that broadcasts.
    """
    states, hidden = write.clone(), initial
    steps = zip(decay.unbind(1), states.unbind(1), strict=True)
    for a, own in reversed(list(steps)) if reverse else steps:
        hidden = own.addcmul_(a, hidden)
    return states


def doubling_scan(decay: Tensor, write: Tensor, initial: Tensor, *, reverse: bool = False) -> Tensor:
    """Hillis–Steele: after k passes each position holds the composition of 2ᵏ steps. No gradient."""
    if reverse:
        return doubling_scan(decay.flip(1), write.flip(1), initial).flip(1)
    states, decays = write.clone(), decay.clone()
    states[:, 0] += decays[:, 0] * initial
    stride, length = 1, decay.shape[1]
    while stride < length:
        # The right side is whole before it is stored, so no position reads a half-updated neighbour.
        states[:, stride:] = torch.addcmul(states[:, stride:], decays[:, stride:], states[:, :-stride])
        decays[:, stride:] = decays[:, stride:] * decays[:, :-stride]
        stride *= 2
    return states


def scan(decay: Tensor, write: Tensor, initial: Tensor, *, reverse: bool = False) -> Tensor:
    """The form for the device; as `sequential_scan`. No gradient."""
    form = sequential_scan if decay.device.type == "cpu" else doubling_scan
    return form(decay, write, initial, reverse=reverse)


def backward_scan(decay: Tensor, gradient: Tensor) -> Tensor:
    """δ_t = g_t + a_{t+1} δ_{t+1}, where the last position is followed by nothing: shapes as in `linear_scan`."""
    following = torch.cat([decay[:, 1:], torch.zeros_like(decay[:, :1])], dim=1)
    return scan(following, gradient, torch.zeros_like(gradient[:, 0]), reverse=True)


class _LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decay: Tensor, write: Tensor, initial: Tensor) -> Tensor:
        states = scan(decay, write, initial)
        ctx.save_for_backward(decay, states, initial)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        decay, states, initial = ctx.saved_tensors
        # da_t = δ_t h_{t−1};  db_t = δ_t;  dh_0 = a_1 δ_1.
        delta = backward_scan(decay, gradients[0])
        d_decay = torch.empty_like(delta)
        torch.mul(delta[:, 1:], states[:, :-1], out=d_decay[:, 1:])
        torch.mul(delta[:, 0], initial, out=d_decay[:, 0])
        return d_decay, delta, decay[:, 0] * delta[:, 0] if ctx.needs_input_grad[2] else None


def linear_scan(decay: Tensor, write: Tensor, initial: Tensor) -> Tensor:
    """All states of h_t = decay_t · h_{t−1} + write_t, h_0 = `initial`, by element.

    Shapes: decay and write (B, T, D), initial (B, D), result (B, T, D). T ≥ 1.
    Linear space is exact where the log-space form (Heinsen 2023) loses two digits at strong gates.

    >>> ones = torch.ones(1, 3, 1)
    >>> linear_scan(ones, ones, torch.zeros(1, 1)).flatten().tolist()
    [1.0, 2.0, 3.0]
    """
    states: Tensor = _LinearScan.apply(decay, write, initial)  # type: ignore[no-untyped-call]
    return states
