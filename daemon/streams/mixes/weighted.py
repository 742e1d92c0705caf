"""Weighted: sources drawn by given weights."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING

from daemon.errors import ConfigError
from daemon.streams.mixes import mixes
from daemon.streams.mixes.port import Mix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from daemon.streams.mixes.port import Candidate


@mixes.register("weighted", builds="daemon.streams.mixes.weighted:Weighted")
class Weighted(Mix):
    """Draws a source for each stretch by `stream.weights`; a source not named there weighs 1."""

    def __init__(self, names: tuple[str, ...], *, lanes: int, weights: Mapping[str, float]) -> None:  # noqa: ARG002
        for name, weight in weights.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
                raise ConfigError(f"stream.weights.{name}: no source is called that; {hint}")
            if not (math.isfinite(weight) and weight >= 0):
                raise ConfigError(f"stream.weights.{name} is {weight}; a weight is a number of at least 0")
        self._weights = tuple(float(weights.get(name, 1.0)) for name in names)
        if not sum(self._weights):
            raise ConfigError("stream.weights are all 0; give at least one source a weight above 0")

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
