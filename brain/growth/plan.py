"""What may grow, and what is to grow: plain data, without torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Operator = Literal["widen", "deepen", "expert", "column", "recycle"]
OperatorByHand = Literal["widen", "deepen", "expert", "column"]
Newborns = Literal["pairs", "zero"]

BY_HAND = "by_hand"
FROZEN = "frozen: an older column"
WHOLE_PARTS: tuple[Operator, ...] = ("deepen", "expert", "column")
"""Operators that bring weights which were not there before, rather than change some that were."""


@dataclass(frozen=True, kw_only=True)
class Birth:
    """A whole part that can be born.

    Attributes:
        name: what it will be called.
        units: its hidden units.
        parameters: its trainable scalars.
        width: of a column's own stream; 0 for another part.
        freezes: trainable scalars that stop learning when it is born.
    """

    name: str
    units: int
    parameters: int
    width: int = 0
    freezes: int = 0


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """One growth, decided. All that the operator needs is in it, so that it can be repeated bit by bit.

    Attributes:
        operator: widen a site, deepen behind its block, add an expert beside its MLP, add a column beside all that
            is there, or renew a site's dormant units (no neuron is added).
        site: which; of a column, what it will be called.
        units: how many are born (or renewed).
        trigger: name of the rule, or `by_hand`.
        reason: the rule's words with its numbers, as `High activation (0.87 > 0.85)`.
        evidence: those numbers by name.
        newborns: how newborns of a widening begin; see `GrowthConfig`.
        pair_scale: deviation of a pair's outgoing weights, in that of existing units; as given where no
            batch was seen yet that it could be measured on.
        seed: of what is drawn for the newborns.
        chosen: indices of the units to renew.
        width: of a column's own stream.
    """

    operator: Operator
    site: str
    units: int
    trigger: str
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    newborns: Newborns = "pairs"
    pair_scale: float = 0.3
    seed: int = 0
    chosen: tuple[int, ...] = ()
    width: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON-able; `from_json` reads it back."""
        return {**dataclasses.asdict(self), "evidence": dict(self.evidence), "chosen": list(self.chosen)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> GrowthPlan:
        """Read `to_json` back."""
        return cls(**{**stored, "chosen": tuple(stored.get("chosen", ()))})


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a rule asks for, before limits and sizes are looked at."""

    operator: Operator
    site: str
    reason: str
    evidence: Mapping[str, float]


def smallest_birth(newborns: Newborns) -> int:
    """How many units are born at once at the least.

    >>> smallest_birth("pairs"), smallest_birth("zero")
    (2, 1)
    """
    return 2 if newborns == "pairs" else 1
