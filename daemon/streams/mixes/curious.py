"""Curious: lanes go where the brain is learning most, and now and then anywhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from brain.ports import Choice
from daemon.streams.mixes import mixes
from daemon.streams.mixes.mix import Mix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from daemon.streams.mixes.mix import Candidate

EPSILON = 0.1  # share of choices that are uniformly random: those that agency is measured on
FAST_ROWS = 256  # horizon of the average loss of a candidate now
SLOW_ROWS = 2048  # and before
PRIOR_NATS = 0.02  # progress everyone is credited with: below it the noise of the averages would decide
FLOOR = 0.25  # of a uniform share, the least that a candidate keeps


class Learnt(NamedTuple):
    """What is known of a candidate: rows learned from, fast and slow average of their nats per byte."""

    rows: int = 0
    fast: float = 0.0
    slow: float = 0.0

    def after(self, loss: float) -> Learnt:
        """One row more; until its horizon is reached an average is the plain mean."""
        rows = self.rows + 1
        return Learnt(
            rows,
            self.fast + (loss - self.fast) / min(rows, FAST_ROWS),
            self.slow + (loss - self.slow) / min(rows, SLOW_ROWS),
        )

    @property
    def progress(self) -> float:
        """By how much its loss has fallen of late, in nats per byte; a rise is no progress.

        >>> Learnt(rows=5000, fast=2.0, slow=2.5).progress
        0.5
        """
        return max(0.0, self.slow - self.fast)


def shares(progress: Sequence[float]) -> list[float]:
    """Chance of each candidate: in proportion to its progress and the prior, and never below the floor.

    >>> [round(share, 3) for share in shares([0.0, 0.0])], [round(share, 3) for share in shares([0.5, 0.0])]
    ([0.5, 0.5], [0.847, 0.153])
    """
    total = sum(progress) + PRIOR_NATS * len(progress)
    return [FLOOR / len(progress) + (1.0 - FLOOR) * (nats + PRIOR_NATS) / total for nats in progress]


@mixes.register("curious", builds="daemon.streams.mixes.curious:Curious")
class Curious(Mix):
    """Reads where the brain's loss falls most; one choice in ten is random, to measure agency on.

    A candidate is a source, or a segment of the only source. Its progress is the fall of its loss from a slow
    to a fast average. Source: Oudeyer, Kaplan & Hafner 2007 (learning progress); Graves et al. 2017.
    """

    acts = True
    segments = 8

    def __init__(self, names: tuple[str, ...], *, lanes: int, weights: Mapping[str, float]) -> None:  # noqa: ARG002
        self._names = names
        self._learnt = (Learnt(),) * len(names)
        self._choices: dict[int, Choice] = {}

    def choose(self, lane: int, candidates: Sequence[Candidate], rng: np.random.Generator) -> int:
        """By learning progress, or with chance ε any; a single candidate is no choice and draws nothing."""
        self._choices.pop(lane, None)  # what it chose before led nowhere if it was not asked for yet
        if len(candidates) == 1:
            return 0
        randomised = bool(rng.random() < EPSILON)
        chosen = int(rng.integers(len(candidates))) if randomised else self._draw(candidates, rng)
        self._choices[lane] = Choice(
            lane=lane,
            candidates=len(self._names),
            chosen=candidates[chosen].source,
            randomised=randomised,
            offered=tuple(candidate.source for candidate in candidates),
        )
        return chosen

    def learned(self, source: int, loss: float) -> None:
        """Take the loss of a row into its candidate's averages; a loss that is not finite is ignored."""
        if math.isfinite(loss):
            self._learnt = (
                *self._learnt[:source],
                self._learnt[source].after(loss),
                *self._learnt[source + 1 :],
            )

    def choices(self) -> tuple[Choice, ...]:
        """The newest choice of each lane since the last call, in the order they were made."""
        choices, self._choices = tuple(self._choices.values()), {}
        return choices

    def state(self) -> Any:
        """What is known of each candidate, by name."""
        return tuple((name, *learnt) for name, learnt in zip(self._names, self._learnt, strict=True))

    def load(self, state: Any) -> None:
        """Candidates that the state does not know start without any."""
        known = {name: Learnt(int(rows), float(fast), float(slow)) for name, rows, fast, slow in state}
        self._learnt = tuple(known.get(name, Learnt()) for name in self._names)

    def _draw(self, candidates: Sequence[Candidate], rng: np.random.Generator) -> int:
        mark = rng.random()
        chances = shares([self._learnt[candidate.source].progress for candidate in candidates])
        for place, chance in enumerate(chances):
            mark -= chance
            if mark < 0:
                return place
        return len(candidates) - 1  # rounding left a sliver
