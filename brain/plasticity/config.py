"""Settings of plasticity; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from brain.ranges import AMOUNT_OR_ZERO, COUNT, COUNT_OR_ZERO, SOME_LEFT


@dataclass(frozen=True, kw_only=True)
class PlasticityConfig:
    """What keeps a network able to learn forever; everything at 0 is plain backpropagation.

    Attributes:
        replacement_rate: share of the mature units of a layer renewed each step; 1e-4, and 1e-5 for layers of
            hundreds of units and more.
        maturity_steps: steps for which a renewed unit cannot be renewed again.
        utility_decay: of the running utility.
        utility: `contribution` is |h| Σ|w_out|; `adaptable` takes |h − mean h| and divides by Σ|w_in|, so
            that a unit that only shifts a bias, or moves slowly, counts for less.
        l2_init: pull of every weight towards the one it began with, per unit of learning rate.
        shrink: share by which weights shrink towards zero each time shrink-and-perturb runs.
        perturb: spread of the noise then added, as a share of the spread with which weights begin.
        perturb_every_steps: how often shrink-and-perturb runs.
        every_steps: steps between two passes that renew units and pull weights back, each worth that many
            single steps.
    """

    replacement_rate: Annotated[float, SOME_LEFT] = 1e-4
    maturity_steps: Annotated[int, COUNT_OR_ZERO] = 1000
    utility_decay: Annotated[float, SOME_LEFT] = 0.99
    utility: Literal["contribution", "adaptable"] = "contribution"
    l2_init: Annotated[float, AMOUNT_OR_ZERO] = 0.0
    shrink: Annotated[float, SOME_LEFT] = 0.0
    perturb: Annotated[float, AMOUNT_OR_ZERO] = 0.0
    perturb_every_steps: Annotated[int, COUNT] = 100
    every_steps: Annotated[int, COUNT] = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: naming the setting.
        """
        for name in ("replacement_rate", "utility_decay", "shrink"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"plasticity.{name} = {getattr(self, name)} must lie in [0, 1)")
        for name in ("l2_init", "perturb", "maturity_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"plasticity.{name} = {getattr(self, name)} must not be negative")
        for name in ("perturb_every_steps", "every_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"plasticity.{name} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class BrainPlasticityConfig(PlasticityConfig):
    """How a brain stays able to learn forever: hidden units that contribute nothing are reinitialised, one by one.

    Attributes:
        replacement_rate: share of a site's mature units renewed each step; 0: none.
        maturity_steps: steps for which a renewed unit cannot be renewed again.
        utility_decay: of the running utility, in a step.
        utility: `contribution` is |h| Σ|w_out|; `adaptable` takes |h − mean h| and divides by Σ|w_in|, so
            that a unit that only shifts a bias, or moves slowly, counts for less.
        l2_init: pull of every matrix and embedding towards the one it began with, per unit of learning rate;
            0: none.
        shrink: share by which matrices shrink towards zero each time shrink-and-perturb runs; 0: none.
        perturb: spread of the noise then added, as a share of the spread with which a matrix began; 0: none.
        perturb_every_steps: how often shrink-and-perturb runs.
        every_steps: steps between two passes that renew units and pull weights back, each worth that many
            single steps.
    """

    replacement_rate: Annotated[float, SOME_LEFT] = 1e-5
    l2_init: Annotated[float, AMOUNT_OR_ZERO] = 0.1
    every_steps: Annotated[int, COUNT] = 16
