"""Settings of growth; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from brain.growth.triggers.bottleneck import Bottleneck
from brain.growth.triggers.high_activation import HighActivation
from brain.growth.triggers.rising_error import RisingError
from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, COUNT, COUNT_OR_ZERO, SHARE, Range


@dataclass(frozen=True, kw_only=True)
class GrowthConfig:
    """Whether the brain may grow by itself, and the limits of all growth, that by hand included.

    Attributes:
        enabled: whether the triggers below are asked.
        max_neurons: hard limit in hidden units of all growth sites.
        every_steps: the sites are looked at, and the triggers asked, once in so many steps.
        fraction: share of a site's units that is born at once.
        cooldown_steps: after a growth nothing grows by itself for so many steps, at first: one that did not pay
            doubles this, one that paid halves it.
        trial_steps: a growth is judged against a twin that did not grow for so many steps; 0: never.
        worth: relative fall of the loss that pays for doubling the neurons; for a tenth more, a tenth of it.
        maturity_steps: a site whose newborns are younger does not grow by itself, nor does a younger brain.
        site_ratio: a site may have so many times the units it was born with.
        newborns: `pairs` are born in twos that cancel out, `zero` with zero outgoing weights.
        newborn_gradient: a pair's outgoing weights are as strong as lets its incoming ones begin with this share
            of existing units' gradient.
        recycle_above: a site with a larger share of dormant units has them renewed before it may grow.
    """

    enabled: bool = False
    max_neurons: Annotated[int, COUNT] = 100_000
    every_steps: Annotated[int, COUNT] = 500
    fraction: Annotated[float, Range(at_most=1, above=0)] = 0.1
    cooldown_steps: Annotated[int, COUNT_OR_ZERO] = 2000
    trial_steps: Annotated[int, COUNT_OR_ZERO] = 1000
    worth: Annotated[float, AMOUNT_OR_ZERO] = 0.01
    maturity_steps: Annotated[int, COUNT_OR_ZERO] = 1000
    site_ratio: Annotated[float, Range(at_least=1, at_most=1000000.0)] = 4.0
    newborns: Literal["pairs", "zero"] = "pairs"
    newborn_gradient: Annotated[float, AMOUNT] = 1.0
    recycle_above: Annotated[float, SHARE] = 0.05
    high_activation: HighActivation = field(default_factory=HighActivation)
    rising_error: RisingError = field(default_factory=RisingError)
    bottleneck: Bottleneck = field(default_factory=Bottleneck)
