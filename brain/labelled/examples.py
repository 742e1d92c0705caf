"""Labelled examples: what a learner is given, what it saw of a step, and what they cost.

Shapes: n texts, O outputs, one for each label there is room for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from brain.labelled.documents import Document


@dataclass(frozen=True)
class Examples:
    """Texts and the outputs of their labels (n,)."""

    texts: list[bytes]
    targets: Tensor


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a learner saw of a step before it learned.

    Attributes:
        outputs: (n, O) for the live examples, and behind them those for the replayed ones.
        grad_norm: before clipping.
        applied: False when something was not finite; then nothing was changed.
    """

    outputs: Tensor
    grad_norm: float
    applied: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step learns from: documents with a label, the labels in the order of their outputs, the rate."""

    live: list[Document]
    replayed: list[Document]
    labels: list[str]
    rate: float
    taught: Taught | None = None

    @property
    def applied(self) -> bool:
        """Nothing was learned, or all of it was finite."""
        return self.taught is None or self.taught.applied


def nats_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each target (n,), float64 on the CPU."""
    return -outputs.double().log_softmax(1).gather(1, targets[:, None]).squeeze(1).cpu()


def per_byte(nats: Tensor, documents: Sequence[Document]) -> float:
    """Mean over the bytes of these documents; nan without any."""
    num_bytes = sum(one.num_bytes for one in documents)
    return float(nats.sum()) / num_bytes if num_bytes else math.nan
