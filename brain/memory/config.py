"""Settings of replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """What is kept and how much of each batch comes from it.

    `fraction` of the rows replay stored segments; `capacity` counts items (one lane's segment of bytes each).
    """

    policy: Literal["reservoir"] = "reservoir"
    fraction: float = 0.2
    capacity: int = 1_000_000
    segment_mib: int = 64
