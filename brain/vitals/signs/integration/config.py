"""Config of integration; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("integration", builds="brain.vitals.signs.integration.sign:IntegrationSign")
@dataclass(frozen=True, kw_only=True)
class IntegrationConfig:
    """How much of what the modules do is shared, whether or not wires carry it (effective dependence).

    Attributes:
        window_states: states that count, the newest.
    """

    label: ClassVar[str] = "Integration"
    band: ClassVar[tuple[float, float]] = (0.5, 0.9)

    window_states: int = 4096
