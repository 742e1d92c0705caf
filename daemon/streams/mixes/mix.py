"""What a mix is asked: which source, or which segment of a single source, a lane reads next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from brain.ports import Choice


class Candidate(NamedTuple):
    """What a lane may read next: a source, or a segment of a single source for a mix that asks for segments.

    Attributes:
        source: its index in the stream, or that of the segment.
        unfinished: the lane holds text there that it has not read to its end.
        number: the pass being handed out there, from 1.
    """

    source: int
    unfinished: bool
    number: int


class Mix(Protocol):
    """Chooses a source for a lane at the end of each stretch; built with (names, lanes, weights).

    Every random draw comes from the generator it is given, whose state is part of the cursor; whatever else a
    mix remembers between choices is in `state`. Only `__init__` and `choose` must be written.

    Attributes:
        acts: its choices are actions: only what has text for the lane is offered, and a lane finishes a pass
            of a source before it begins the next.
        segments: a single source is offered in this many segments; several sources are never cut.
    """

    acts: ClassVar[bool] = False
    segments: ClassVar[int] = 1

    def __init__(self, names: tuple[str, ...], *, lanes: int, weights: Mapping[str, float]) -> None: ...

    def choose(self, lane: int, candidates: Sequence[Candidate], rng: np.random.Generator) -> int:
        """Position of the chosen one among the candidates (at least one, in the order of the sources)."""

    def learned(self, source: int, loss: float) -> None:
        """A row of a source (or segment) was learned from, at `loss` nats per byte before the update."""

    def choices(self) -> tuple[Choice, ...]:
        """What each lane decided last since the last call; () for a mix that does not act."""
        return ()

    def state(self) -> Any:
        """JSON-able of tuples, not lists: a cursor keeps a reference to it."""
        return None

    def load(self, state: Any) -> None:
        """Continue exactly where `state` was taken."""
