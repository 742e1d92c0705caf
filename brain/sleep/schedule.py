"""When to sleep and how fast to learn in it: pure functions of steps and of forgetting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brain.sleep.config import SleepConfig

LEAST_LOSS = 0.2
"""A loss below this, in bits per byte or nats per example, counts as this much where a rise is taken relative to it.

At the default tolerance a rise of 0.002 is never harm then: a tenth of what `forgetting.threshold` puts up with.
"""


def rate_factor(done: int, steps: int, final: float) -> float:
    """Share of the learning rate in step `done` (from 0) of a sleep: a straight line from 1 to `final`.

    >>> [round(rate_factor(done, 5, 0.1), 3) for done in range(5)]
    [1.0, 0.775, 0.55, 0.325, 0.1]
    """
    return 1.0 - (1.0 - final) * done / max(steps - 1, 1)


def due_to_sleep(awake_steps: int, forgetting: float, threshold: float, config: SleepConfig) -> str | None:
    """The reason to sleep now, or None.

    Args:
        awake_steps: since the last sleep, or since the first step.
        forgetting: mean over sources in BPC as last measured; nan before.
        threshold: what is tolerated.
        config: schedule and rest.

    >>> from brain.sleep.config import SleepConfig
    >>> [due_to_sleep(n, 0.05, 0.02, SleepConfig()) for n in (999, 1000, 5000)]
    [None, 'forgetting 0.050 above 0.020 BPC', 'schedule']
    """
    if config.every_steps and awake_steps >= config.every_steps:
        return "schedule"
    tired = config.rest_steps and awake_steps >= config.rest_steps
    if tired and not math.isnan(forgetting) and forgetting > threshold:
        return f"forgetting {forgetting:.3f} above {threshold:.3f} BPC"
    return None


def due_when_idle(awake_steps: int, config: SleepConfig) -> bool:
    """Whether to sleep now that there is nothing to read.

    >>> from brain.sleep.config import SleepConfig
    >>> [due_when_idle(n, SleepConfig(idle_awake_steps=limit)) for n, limit in ((199, 200), (200, 200), (200, 0))]
    [False, True, False]
    """
    return bool(config.idle_awake_steps) and awake_steps >= config.idle_awake_steps


def is_worse(before: float, after: float, tolerance: float) -> bool:
    """Whether a sleep must be undone: the mean probe loss rose by more than `tolerance`, or is not a number.

    The share is one of the loss before or, where that is lower, of `LEAST_LOSS`: near zero any change is a large share.

    >>> is_worse(2.0, 2.01, 0.01), is_worse(2.0, 2.03, 0.01), is_worse(2.0, math.nan, 0.01)
    (False, True, True)
    >>> is_worse(0.001, 0.0016, 0.01), is_worse(0.001, 0.004, 0.01)
    (False, True)
    """
    return not after <= before + tolerance * max(before, LEAST_LOSS)
