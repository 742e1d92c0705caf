"""Sleep: begun, ended, undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


@dataclass(frozen=True, kw_only=True)
class SleepBegan(Event):
    """The run fell asleep: it replays and is taught by its slow weights."""

    steps: int
    reason: str

    @property
    def message(self) -> str:
        return f"[Sleep] Began ({self.reason}): {self.steps} steps of replay"


@dataclass(frozen=True, kw_only=True)
class SleepEnded(Event):
    """The run woke up; mean probe losses in bits per byte, None without probes."""

    steps: int
    before: float | None
    after: float | None

    @property
    def message(self) -> str:
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
        change = 100 * (self.after / self.before - 1)
        return f"[Sleep] Undone: probe loss changed by {change:+.1f} % (at most {100 * self.tolerance:g} %)"
