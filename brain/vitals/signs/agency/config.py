"""Config of agency; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brain.vitals.registry import vitals


@vitals.register("agency", builds="brain.vitals.signs.agency.sign:AgencySign")
@dataclass(frozen=True, kw_only=True)
class AgencyConfig:
    """How much of what comes next follows from what the brain did.

    Attributes:
        window_choices: randomised choices that count, the newest.
        warm_up_choices: randomised choices needed before world agency is shown.
        rows_after: rows of the lane read after a choice that count as its outcome.
        actions: counterfactual bytes of a closed-loop probe.
        next_bytes: own bytes that follow each.
        contexts: contexts that count, the newest.
        contexts_per_tick: new contexts probed at a tick.
        context_bytes: bytes of experience before the own byte.
    """

    label: ClassVar[str] = "Agency"
    band: ClassVar[tuple[float, float]] = (0.6, 0.9)

    window_choices: int = 1024
    warm_up_choices: int = 100
    rows_after: int = 4
    actions: int = 8
    next_bytes: int = 4
    contexts: int = 32
    contexts_per_tick: int = 4
    context_bytes: int = 32
