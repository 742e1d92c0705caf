"""Audiences: who is notified of what happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


@dataclass(frozen=True, kw_only=True)
class AudienceDropped(Event):
    """An audience failed, and is notified of nothing more."""

    severity: ClassVar[Severity] = "warning"
    audience: str
    reason: str

    @property
    def message(self) -> str:
        return f"[Output] Nothing more goes to the {self.audience}: {self.reason}"
