"""Facts about orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events import Event, Severity


@dataclass(frozen=True, kw_only=True)
class OrderBroke(Event):
    """Something unforeseen went wrong in obeying an order; the run goes on as if it had not been given."""

    severity: ClassVar[Severity] = "error"
    action: str
    error: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"{self.action} went wrong and was given up: {self.error}; trainer.log has the traceback"
