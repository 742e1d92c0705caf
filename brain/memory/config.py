"""Settings of replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """What is kept and how much of each batch comes from it.

    Attributes:
        policy: which items are kept and drawn.
        fraction: of the rows replay stored segments.
        max_fraction: forgetting raises the fraction up to this; at `fraction` or below nothing is raised.
        capacity: items kept, one lane's segment of bytes each.
        segment_mib: size of a file of them.
    """

    policy: Literal["tiers", "reservoir"] = "tiers"
    fraction: float = 0.2
    max_fraction: float = 0.5
    capacity: int = 1_000_000
    segment_mib: int = 64
