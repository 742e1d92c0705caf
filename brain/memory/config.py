"""Settings of replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from brain.ranges import SIZE, SOME_LEFT, Range


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """What is kept and how much of each batch comes from it.

    Attributes:
        policy: which items are kept and drawn.
        fraction: share of the rows that replay stored segments.
        max_fraction: forgetting raises the fraction up to this; at `fraction` or below nothing is raised.
        capacity: most items kept, each one lane's segment of bytes.
        segment_mib: size of each file of items.
    """

    policy: Literal["tiers", "reservoir"] = "tiers"
    fraction: Annotated[float, SOME_LEFT] = 0.2
    max_fraction: Annotated[float, SOME_LEFT] = 0.5
    capacity: Annotated[int, Range(at_least=1, at_most=2147483648)] = 1_000_000
    segment_mib: Annotated[int, SIZE] = 64
