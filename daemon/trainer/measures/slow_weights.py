"""Slow weights in place of the fast ones: which of the two a brain is evaluated and generates with."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from brain.capabilities import Sleeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain

FAST, STABLE = range(2)
WEIGHTS = ("fast", "stable")


def can_sleep(brain: Brain) -> bool:
    """Whether a brain has slow weights that teach it in sleep."""
    return isinstance(brain, Sleeper) and brain.has_slow_weights


def swapped(brain: Brain, weights: str) -> contextlib.AbstractContextManager[None]:
    """The brain with its `fast` or `stable` weights meanwhile; one without slow weights stays as it is."""
    if weights == WEIGHTS[FAST] or not (isinstance(brain, Sleeper) and brain.has_slow_weights):
        return contextlib.nullcontext()
    return brain.stable_weights()


class BetterWeights:
    """The brain with those weights meanwhile that do better on the frozen probes.

    Args:
        brain: whose weights they are.
        better: names them.
    """

    def __init__(self, brain: Brain, better: Callable[[], str]) -> None:
        self._brain = brain
        self._better = better

    def __call__(self) -> contextlib.AbstractContextManager[None]:
        """Swap them in."""
        return swapped(self._brain, self._better())
