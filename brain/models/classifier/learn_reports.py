"""What the online learner reports of a step of learning, and of a sleep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LearnReport:
    """What one call of the learner's `learn` saw, all before it learned.

    Attributes:
        loss: mean over the live examples: nats, or half the squared error.
        outputs: (B, O) of the fast weights for the live examples, and behind them those for the replayed ones.
        num_updates: updates made.
        num_renewed: hidden units renewed.
        grad_norm: of the last update before clipping; nan where nothing is clipped.
        applied: False when a gradient was not finite; then that update was left out.
    """

    loss: float
    outputs: Tensor
    num_updates: int
    num_renewed: int
    grad_norm: float = math.nan
    applied: bool = True


@dataclass(frozen=True, kw_only=True)
class SleepReport:
    """Mean loss of the learner over its memory before and after a sleep; was it taken back?"""

    steps: int
    loss_before: float
    loss_after: float
    rolled_back: bool
