"""What happened to the brain: it was scored, grew, slept, went back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


@dataclass(frozen=True, kw_only=True)
class NonFiniteStepSkipped(Event):
    """A step with a NaN or infinite loss or gradient changed nothing."""

    severity: ClassVar[Severity] = "warning"
    in_a_row: int

    @property
    def message(self) -> str:
        return f"Non-finite loss: step skipped ({self.in_a_row} in a row)"


@dataclass(frozen=True, kw_only=True)
class RolledBack(Event):
    """Too many non-finite steps: weights went back, the window of experience was skipped, the rate halved."""

    severity: ClassVar[Severity] = "error"
    to_step: int
    rate_factor: float

    @property
    def message(self) -> str:
        return f"Rolled back to the weights of step {self.to_step}; learning rate × {self.rate_factor:g}"


@dataclass(frozen=True, kw_only=True)
class EvaluationFinished(Event):
    """The whole held-out set was scored on demand. BPC by source name."""

    bpc: float
    by_source: dict[str, float]
    num_bytes: int

    @property
    def message(self) -> str:
        return f"Held-out BPC {self.bpc:.3f} over {self.num_bytes} bytes"


@dataclass(frozen=True, kw_only=True)
class BrainGrew(Event):
    """Neurons were born, or dormant ones renewed, without a change of what the brain says.

    The units are those of the site; of a part that is born whole, its own, so that there were none before.
    """

    site: str
    operator: str  # widen, deepen, expert, column, recycle
    units_before: int
    units_after: int
    num_renewed: int
    num_neurons: int
    trigger: str  # name of the rule, or by_hand
    reason: str
    evidence: dict[str, float]

    @property
    def message(self) -> str:
        if self.operator == "recycle":
            return f"[Neurogenesis] Renewing {self.num_renewed} dormant units of {self.site}: {self.reason}"
        parts = {"deepen": "a block behind ", "expert": "an expert beside ", "column": "a column, "}
        return f"[Neurogenesis] Growing {parts.get(self.operator, '')}{self.site}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class SleepBegan(Event):
    """The run fell asleep: it replays and is taught by its slow weights."""

    steps: int
    reason: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"[Sleep] Began ({self.reason}): {self.steps} steps of replay"


@dataclass(frozen=True, kw_only=True)
class SleepEnded(Event):
    """The run woke up; mean probe losses in bits per byte, None without probes."""

    steps: int
    before: float | None
    after: float | None

    @property
    def message(self) -> str:
        """One line for a person."""
        if self.before is None or self.after is None:
            return f"[Sleep] Ended after {self.steps} steps"
        return f"[Sleep] Ended after {self.steps} steps: probe loss {self.before:.3f} → {self.after:.3f} BPC"


@dataclass(frozen=True, kw_only=True)
class SleepRolledBack(Event):
    """A sleep did harm and was undone: the weights are those before it."""

    severity: ClassVar[Severity] = "warning"
    before: float
    after: float
    tolerance: float

    @property
    def message(self) -> str:
        """One line for a person."""
        change = 100 * (self.after / self.before - 1)
        return f"[Sleep] Undone: probe loss changed by {change:+.1f} % (at most {100 * self.tolerance:g} %)"
