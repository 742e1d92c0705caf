"""A stream of several sources that switches without a sign, and what a learner's losses on it tell.

All lanes read on in parallel, each in its own part of a source. At a switch all of them go over to another source and
continue where it was last left; nothing marks the place. How long a source stays is drawn from an exponential
distribution. This and the measures are those of CALM: Kruszewski, Sorodoc & Mikolov 2020, Evaluating Online Continual
Learning with CALM (arXiv:2004.03340), with bytes for characters.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.streams.experience import Experience, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST_BATCHES = 10  # after a switch
SHORTEST_SHARE = 0.1  # of the mean length


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A source is read from batch `begin` up to `end`."""

    source: str
    begin: int
    end: int


def draw_turns(sources: Sequence[str], *, turns: int, batches: int, seed: int) -> tuple[Turn, ...]:
    """`turns` turns of each source, never two in a row, with `batches` batches in all.

    >>> turns = draw_turns("ab", turns=2, batches=50, seed=0)
    >>> turns[0].begin, sum(turn.end - turn.begin for turn in turns if turn.source == "a"), turns[-1].end
    (0, 50, 100)
    """
    rng = np.random.default_rng(seed)
    order = _shuffled(list(sources) * turns, rng)
    lengths = {source: iter(_lengths(turns, batches, rng)) for source in sources}
    found, begin = [], 0
    for source in order:
        end = begin + next(lengths[source])
        found.append(Turn(source=source, begin=begin, end=end))
        begin = end
    return tuple(found)


def _lengths(turns: int, batches: int, rng: np.random.Generator) -> list[int]:
    """Exponential, at least one each, together as many as there are."""
    drawn = SHORTEST_SHARE + rng.exponential(1.0 - SHORTEST_SHARE, turns)
    ends = np.rint(np.cumsum(drawn) / drawn.sum() * (batches - turns)).astype(int)
    return [1 + int(length) for length in np.diff(ends, prepend=0)]


def _shuffled(order: list[str], rng: np.random.Generator) -> list[str]:
    """In random order, each place that repeats the one before it exchanged with another until none does."""
    order = [order[place] for place in rng.permutation(len(order))]
    while again := [place for place in range(1, len(order)) if order[place] == order[place - 1]]:
        other = int(rng.integers(len(order)))
        order[again[0]], order[other] = order[other], order[again[0]]
    return order


class SwitchingStream:
    """Gives every lane its next row, as a stream of one source does."""

    def __init__(self, texts: Mapping[str, bytes], turns: Sequence[Turn], *, lanes: int, width: int) -> None:
        self._width = width
        self._sources = [turn.source for turn in turns for _ in range(turn.end - turn.begin)]
        self._batch = 0
        batches = {source: self._sources.count(source) for source in texts}
        self._rows = {
            source: np.frombuffer(text[: batches[source] * lanes * width], np.uint8).reshape(lanes, -1)
            for source, text in texts.items()
        }
        self._read = dict.fromkeys(texts, 0)

    def next(self, lanes: Sequence[int]) -> tuple[Experience, None]:
        """One row for each lane; none is reset behind the first, and all are of one source."""
        source = self._sources[self._batch]
        begin = self._read[source]
        self._read[source] += self._width
        rows = [
            Row(
                lane=lane,
                data=self._rows[source][lane, begin : begin + self._width].tobytes(),
                source=0,
                document="stream",
                offset=self._batch * self._width,
                reset=self._batch == 0,
            )
            for lane in lanes
        ]
        self._batch += 1
        return Experience.of(rows, self._width), None


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What the losses of batches tell, over the second half of the turns.

    Attributes:
        loss: mean of all batches.
        after_switch: mean of the first ten batches of a turn.
        recovery: batches until one costs less than the mean of the source's last turn; all of them where none does.
        returning: `after_switch` over what the last ten batches of the source's last turn cost.
    """

    loss: float
    after_switch: float
    recovery: float
    returning: float


def measure(losses: Sequence[float], turns: Sequence[Turn]) -> Measures:
    """CALM's three measures, and how a source that returns stands to how it was left."""
    half = len(turns) // 2
    before: dict[str, Sequence[float]] = {}
    first, left, recovery = [], [], []
    for number, turn in enumerate(turns):
        own = losses[turn.begin : turn.end]
        if number >= half and turn.source in before:
            first.append(statistics.fmean(own[:FIRST_BATCHES]))
            left.append(statistics.fmean(before[turn.source][-FIRST_BATCHES:]))
            known = statistics.fmean(before[turn.source])
            recovery.append(next((batch for batch, loss in enumerate(own) if loss < known), len(own)))
        before[turn.source] = own
    return Measures(
        loss=statistics.fmean(losses[turns[half].begin :]),
        after_switch=statistics.fmean(first),
        recovery=statistics.fmean(recovery),
        returning=sum(first) / sum(left),
    )
