"""Weighted: sources drawn by given weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.streams.mixes import mixes
from daemon.streams.mixes.mix import Mix
from daemon.streams.weights import check_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from daemon.streams.mixes.mix import Candidate


@mixes.register("weighted", builds="daemon.streams.mixes.weighted:Weighted")
class Weighted(Mix):
    """Draws a source for each stretch by `stream.weights`; a source not named there weighs 1."""

    def __init__(self, names: tuple[str, ...], *, lanes: int, weights: Mapping[str, float]) -> None:  # noqa: ARG002
        check_weights(weights, names)
        self._weights = tuple(float(weights.get(name, 1.0)) for name in names)

    def choose(self, lane: int, candidates: Sequence[Candidate], rng: np.random.Generator) -> int:  # noqa: ARG002
        """One of the candidates with chances in proportion to their weights."""
        mark = rng.random() * sum(self._weights[candidate.source] for candidate in candidates)
        positive = [i for i, candidate in enumerate(candidates) if self._weights[candidate.source] > 0]
        for i in positive:
            mark -= self._weights[candidates[i].source]
            if mark < 0:
                return i
        # Rounding left a sliver; or only weightless sources have anything to read just now.
        return positive[-1] if positive else 0
