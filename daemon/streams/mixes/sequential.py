"""Sequential: one source after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.streams.mixes import mixes
from daemon.streams.mixes.mix import Mix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from daemon.streams.mixes.mix import Candidate


@mixes.register("sequential", builds="daemon.streams.mixes.sequential:Sequential")
class Sequential(Mix):
    """Reads a whole pass of each source in turn, all lanes together.

    A lane first finishes what it holds, then goes to the first source with the fewest passes.
    """

    def __init__(self, names: tuple[str, ...], *, lanes: int, weights: Mapping[str, float]) -> None:
        """A mix without settings."""

    def choose(self, lane: int, candidates: Sequence[Candidate], rng: np.random.Generator) -> int:  # noqa: ARG002
        """The candidate held unfinished, else the first with the fewest passes."""
        return min(
            range(len(candidates)), key=lambda i: (not candidates[i].unfinished, candidates[i].number, i)
        )
