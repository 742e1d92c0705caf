"""Round robin: every lane goes round the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.streams.mixes import mixes
from daemon.streams.mixes.mix import Mix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from daemon.streams.mixes.mix import Candidate


@mixes.register("round_robin", builds="daemon.streams.mixes.round_robin:RoundRobin")
class RoundRobin(Mix):
    """Gives every source the same bytes: lanes go round, staggered, so that each batch is near uniform."""

    def __init__(self, names: tuple[str, ...], *, lanes: int, weights: Mapping[str, float]) -> None:  # noqa: ARG002
        self._num_sources = len(names)
        self._last = tuple(lane - 1 for lane in range(lanes))  # so lane k begins at source k

    def choose(self, lane: int, candidates: Sequence[Candidate], rng: np.random.Generator) -> int:  # noqa: ARG002
        """The first candidate behind the lane's last source, going round."""
        last = self._last[lane]
        chosen = min(
            range(len(candidates)), key=lambda i: (candidates[i].source - last - 1) % self._num_sources
        )
        self._last = (*self._last[:lane], candidates[chosen].source, *self._last[lane + 1 :])
        return chosen

    def state(self) -> Any:
        """Last source of each lane."""
        return self._last

    def load(self, state: Any) -> None:
        """Lanes that the state does not know start at their own source."""
        known = tuple(int(last) for last in state)[: len(self._last)]
        self._last = known + self._last[len(known) :]
