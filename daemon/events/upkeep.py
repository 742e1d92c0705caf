"""The daemon's own housekeeping: jobs, the database, who is told what happens."""

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
        """One line for a person."""
        return f"{self.job} was due at {self.due} and did not run: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class DatabaseStalled(Event):
    """The database cannot be written; what happens meanwhile waits in memory, up to a bound."""

    severity: ClassVar[Severity] = "warning"
    reason: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"The database cannot be written ({self.reason}); learning goes on, history waits in memory"


@dataclass(frozen=True, kw_only=True)
class DatabaseMissing(Event):
    """Somebody deleted or moved the database under a living daemon; it was written anew, unless `error` is set."""

    severity: ClassVar[Severity] = "warning"
    path: str
    error: str | None = None

    @property
    def message(self) -> str:
        """One line for a person."""
        told = f"The database {self.path} was deleted or moved while the daemon used it"
        if self.error is None:
            return f"{told}; it is back, and nothing of it is missing"
        return f"{told}, and cannot be put back ({self.error}); it is tried again: do not kill the daemon"


@dataclass(frozen=True, kw_only=True)
class DatabaseHealed(Event):
    """The database is written again, or goes on too slowly. `lost`: rows by table for which there was no room."""

    lost: dict[str, int]

    @property
    def message(self) -> str:
        """One line for a person."""
        if not self.lost:
            return "The database can be written again; nothing is missing"
        lost = ", ".join(f"{count:,} of {name}" for name, count in sorted(self.lost.items()))
        return f"The database is written again; for these rows there was no room: {lost}"


@dataclass(frozen=True, kw_only=True)
class AudienceDropped(Event):
    """Somebody who was told what happens failed, and is told nothing more."""

    severity: ClassVar[Severity] = "warning"
    audience: str
    reason: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"[Output] Nothing more goes to the {self.audience}: {self.reason}"
