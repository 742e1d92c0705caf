"""Did a phase of training keep its word? What is frozen has not moved by a bit, all else has, and had a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from brain.tensors import sha256_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor

STEP = "step"  # a moment that counts steps, with or without a gradient


@dataclass(frozen=True, kw_only=True)
class PhaseProof:
    """What became of the weights from the beginning of a phase to its end.

    Attributes:
        phase: which.
        num_frozen: weights that were not to learn.
        num_trained: weights that were.
        moved: those of the first that differ all the same.
        unmoved: those of the second that are what they were.
        without_gradient: those of the second whose moments are all zero: no gradient ever reached them.
    """

    phase: int
    num_frozen: int
    num_trained: int
    moved: tuple[str, ...] = ()
    unmoved: tuple[str, ...] = ()
    without_gradient: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the phase did what it says."""
        return not (self.moved or self.unmoved or self.without_gradient)


def digests_of(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of each weight, its form included."""
    return {name: sha256_of({name: weight}) for name, weight in weights.items()}


def prove(
    phase: int,
    start: Mapping[str, str],
    weights: Mapping[str, Tensor],
    learning: Mapping[str, Tensor],
    frozen: Collection[str],
) -> PhaseProof:
    """Compare weights with what they were when the phase began.

    Args:
        phase: which.
        start: the digest of each weight then; one that was born since is left out.
        weights: now.
        learning: moments as `<weight>|<moment>`, begun at zero with the phase.
        frozen: names of weights that were not to learn.
    """
    now = digests_of({name: weights[name] for name in start})
    same = {name for name in start if now[name] == start[name]}
    trained = [name for name in start if name not in frozen]
    reached = {
        name.rpartition("|")[0]
        for name, moment in learning.items()
        if name.rpartition("|")[2] != STEP and bool(moment.any())
    }
    return PhaseProof(
        phase=phase,
        num_frozen=len(start) - len(trained),
        num_trained=len(trained),
        moved=tuple(name for name in start if name in frozen and name not in same),
        unmoved=tuple(name for name in trained if name in same),
        without_gradient=tuple(name for name in trained if name not in reached),
    )


@runtime_checkable
class Phased(Protocol):
    """A brain that may be trained in phases of which each lets some of its weights learn."""

    def begin_phase(self) -> None:
        """The weights are what the phase of its config begins with; nothing to note without one."""

    def proof(self) -> PhaseProof | None:
        """What became of them so far; None for a brain that is in no phase."""
