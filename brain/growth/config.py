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
    """Whether the brain may grow by itself, and the limits of all growth, including growth by hand.

    Attributes:
        enabled: whether the triggers below may start a growth.
        max_neurons: hard limit in hidden units of all growth sites.
        every_steps: steps between two checks of the sites by the triggers.
        fraction: units added at once, as a share of the site's.
        cooldown_steps: steps after a growth in which nothing grows by itself; a growth that did not pay doubles
            them, one that paid halves them.
        trial_steps: steps for which a growth is compared with a twin that did not grow; 0: never.
        worth: relative fall of the loss that pays for doubling the neurons; for a tenth more, a tenth of it.
        maturity_steps: age in steps that new units, and a new brain, must reach before the next growth by itself.
        site_ratio: the most units of a site, as a multiple of those it was born with.
        newborns: `pairs`: new units come in pairs that cancel out; `zero`: with zero outgoing weights.
        newborn_gradient: gradient of a pair's incoming weights at first, as a share of existing units'; it sets
            the size of the outgoing weights.
        recycle_above: above this share of dormant units a site renews them before it may grow.
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
