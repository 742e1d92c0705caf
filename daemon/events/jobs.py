"""Jobs of the schedule: finished, failed, missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


@dataclass(frozen=True, kw_only=True)
class JobFinished(Event):
    """A scheduled job ran."""

    job: str
    outcome: str
    seconds: float

    @property
    def message(self) -> str:
        return f"{self.job}: {self.outcome}"


@dataclass(frozen=True, kw_only=True)
class JobFailed(Event):
    """A scheduled job failed."""

    severity: ClassVar[Severity] = "error"
    job: str
    error: str

    @property
    def message(self) -> str:
        return f"{self.job} failed: {self.error}"


@dataclass(frozen=True, kw_only=True)
class JobMissed(Event):
    """The time of a scheduled job passed while nobody could run it, and it is of no use late."""

    severity: ClassVar[Severity] = "warning"
    job: str
    due: str  # ISO 8601, UTC
    late_seconds: float
    reason: str

    @property
    def message(self) -> str:
        return f"{self.job} was due at {self.due} and did not run: {self.reason}"
