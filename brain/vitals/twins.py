"""Brains to compare a live one with: the same architecture unlearned, or the same weights without wires."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.build import brain_from_spec
from brain.capabilities import Severable
from brain.errors import BrainError
from brain.optim.config import OptimizerConfig
from brain.vitals.live_sign import NotMeasurableError

if TYPE_CHECKING:
    from brain.ports import Brain

UNTRAINED, DISCONNECTED = "untrained", "disconnected"
BROKEN = (BrainError, ArithmeticError, RuntimeError, ValueError, MemoryError)
"""What making or watching a twin may end in: then its control is not available; the sign itself is measured."""


def twin_of(brain: Brain, control: str, *, seed: int) -> Brain:
    """A brain of its own, to be looked at and dropped; the live one and the global random state stay as they are.

    Args:
        brain: the live one.
        control: UNTRAINED, of the same architecture with random weights, or DISCONNECTED, with the weights of the
            live one and every wire between its modules cut.
        seed: of the random weights.

    Raises:
        NotMeasurableError: the brain gives no state to build a twin of, or cannot be disconnected.
    """
    if not hasattr(brain, "state"):
        raise NotMeasurableError("this brain gives no state to build a twin of")
    state = brain.state()
    device = next(iter(state.model.values())).device
    # A brain is built on the CPU or on its device, never from random states that learning draws from.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        twin = brain_from_spec(state.spec, optimizer=OptimizerConfig(), lanes=1, device=device, seed=seed)
    if control == UNTRAINED:
        draw_silent(twin, seed=seed)
        return twin
    if not isinstance(twin, Severable):
        raise NotMeasurableError("this brain cannot be severed")
    with torch.no_grad():
        for name, tensor in twin.state().model.items():
            tensor.copy_(state.model[name])
    twin.sever()
    return twin


@torch.no_grad()
def draw_silent(brain: Brain, *, seed: int) -> None:
    """Draw the matrices at random that begin at zero: a newborn of silent branches has no activity to look at."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in brain.state().model.values():
        if tensor.is_floating_point() and tensor.dim() > 1 and not tensor.any():
            drawn = torch.randn(tensor.shape, generator=generator) * tensor.shape[1] ** -0.5
            tensor.copy_(drawn)
