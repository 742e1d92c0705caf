"""Settings of growth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GrowthConfig:
    """Whether the brain may grow, and its hard limit in hidden units of all growth sites."""

    enabled: bool = False
    max_neurons: int = 100_000
