"""The database: stalled, missing, healed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


@dataclass(frozen=True, kw_only=True)
class DatabaseStalled(Event):
    """The database cannot be written; what happens meanwhile waits in memory, up to a bound."""

    severity: ClassVar[Severity] = "warning"
    reason: str

    @property
    def message(self) -> str:
        return f"The database cannot be written ({self.reason}); learning continues, history waits in memory"


@dataclass(frozen=True, kw_only=True)
class DatabaseMissing(Event):
    """The database was deleted or moved while the daemon used it; it was written again, unless `error` is set."""

    severity: ClassVar[Severity] = "warning"
    path: str
    error: str | None = None

    @property
    def message(self) -> str:
        missing = f"The database {self.path} was deleted or moved while the daemon used it"
        if self.error is None:
            return f"{missing}; it is back, and nothing of it is missing"
        return f"{missing}, and cannot be put back ({self.error}); trying again: do not kill the daemon"


@dataclass(frozen=True, kw_only=True)
class DatabaseHealed(Event):
    """The database is written again, or too slowly. `lost`: rows by table for which there was no room."""

    lost: dict[str, int]

    @property
    def message(self) -> str:
        if not self.lost:
            return "The database can be written again; nothing is missing"
        lost = ", ".join(f"{count:,} of {name}" for name, count in sorted(self.lost.items()))
        return f"The database can be written again; these rows were lost for lack of room: {lost}"
