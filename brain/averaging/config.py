"""Settings of the slow weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from brain.ranges import AMOUNT_OR_ZERO, COUNT_OR_ZERO, SOME_LEFT


@dataclass(frozen=True, kw_only=True)
class AveragingConfig:
    """Two running averages of the weights, and how often rows learn from them.

    Attributes:
        plastic: share of its old value that the plastic average keeps in a step.
        stable: the same for the stable average.
        every_steps: steps between updates of the averages, each worth that many single ones; 0: none.
        consistency_every_steps: in one step out of this many, replayed rows also learn from an average; 0: never.
        consistency_weight: weight of the loss on them.
        distillation_weight: weight of the loss towards the stable average's predictions in sleep.
        consolidation: share of its old value that the stable average keeps in a step of sleep.
    """

    plastic: Annotated[float, SOME_LEFT] = 0.99
    stable: Annotated[float, SOME_LEFT] = 0.999
    every_steps: Annotated[int, COUNT_OR_ZERO] = 8
    consistency_every_steps: Annotated[int, COUNT_OR_ZERO] = 16
    consistency_weight: Annotated[float, AMOUNT_OR_ZERO] = 0.5
    distillation_weight: Annotated[float, AMOUNT_OR_ZERO] = 0.5
    consolidation: Annotated[float, SOME_LEFT] = 0.98
