"""The seams of a brain with an exact memory beside its network: what it costs, and what it knows of a context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Text that an exact memory holds, where the end of a context stands in it.

    Attributes:
        length: bytes of the context that agree, counted from its end.
        before: what stood before them.
        matched: these bytes.
        after: what followed.
        bytes_ago: how many bytes its lane has read since the match.
        source: number that the source had from which it was read; None where that is not known any more.
        step: of the run when it was read; None likewise.
    """

    length: int
    before: bytes
    matched: bytes
    after: bytes
    bytes_ago: int
    source: int | None
    step: int | None


@dataclass(frozen=True, kw_only=True)
class Recollection:
    """What an exact memory knows of a context, beside what the network expects.

    Attributes:
        num_bytes: of the context.
        match: the longest match that the memory follows; None without one.
        memory: float64 (256,) on the CPU, probabilities of the byte to come by memory alone.
        network: by the network alone.
        both: by both together, as the brain answers.
        completion: the likeliest bytes by memory alone, as long as it follows a match or is sure of them.
    """

    num_bytes: int
    match: Passage | None
    memory: Tensor
    network: Tensor
    both: Tensor
    completion: bytes


@runtime_checkable
class Remembering(Protocol):
    """A brain with an exact memory beside its network: `score` is the network's alone, what it says is of both."""

    @property
    def remembers(self) -> bool:
        """False when the memory is switched off."""

    def score_remembering(self, rows: Tensor, mask: Tensor) -> Tensor:
        """As `score`, mixed with what the exact memory knows; without one the same. Changes nothing."""

    def score_both(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`score` and `score_remembering`, at the cost of one pass. Changes nothing."""


@runtime_checkable
class Recalling(Protocol):
    """A brain that can be asked what its exact memory knows."""

    @property
    def remembers(self) -> bool:
        """False when the memory is switched off."""

    def recall(self, context: bytes, *, max_bytes: int) -> Recollection:
        """What the exact memory knows of a context, with a completion of up to `max_bytes`. Changes nothing.

        Raises:
            ValueError: the memory is switched off, or the context is empty.
        """
