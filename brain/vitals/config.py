"""Settings of the vital signs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VitalsConfig:
    """How often vital signs are measured and what they may cost.

    A tick every `every_steps` steps, stretched by the governor so that probes stay within `budget_share` of the time.
    """

    enabled: bool = True
    every_steps: int = 50
    budget_share: float = 0.01
