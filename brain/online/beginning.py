"""A new brain that begins with the weights, and only the weights, of another of the same kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from brain.phase_proof import Phased

if TYPE_CHECKING:
    import torch

    from brain.online.online_brain import OnlineBrain
    from brain.optim.config import OptimizerConfig
    from brain.ports import BrainState

B = TypeVar("B", bound="OnlineBrain[Any]")


def begun_with(
    brain: type[B],
    config: Any,
    stored: BrainState,
    *,
    optimizer: OptimizerConfig,
    lanes: int,
    device: torch.device,
) -> B:
    """A brain of the stored architecture, growth included, trained as `config` says.

    Moments, lanes, exact memory and counters are a newborn's; averages begin at the weights.

    Raises:
        SpecMismatchError: what is stored does not fit together.
    """
    spec = brain.architecture.from_json(stored.spec).trained_by(config).with_frozen(())
    made = brain(spec, optimizer=optimizer, lanes=lanes, device=device, seed=0)
    weights = replace(stored, learning={}, counters={}, spec=spec.to_json())
    made.load(made.adopt(weights)[0])
    phased: object = made
    if isinstance(phased, Phased):
        phased.begin_phase()
    return made
