"""Facts about measuring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events import Event, Severity


@dataclass(frozen=True, kw_only=True)
class MeasurementFailed(Event):
    """A vital sign could not be computed; said once, until it is measured again or fails in another way."""

    severity: ClassVar[Severity] = "warning"
    sign: str
    error: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"{self.sign} could not be measured ({self.error}); learning goes on"


@dataclass(frozen=True, kw_only=True)
class MeasurementOutOfMemory(Event):
    """There was not enough memory to measure a vital sign; said once, until it is measured again."""

    severity: ClassVar[Severity] = "warning"
    sign: str
    error: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return (
            f"{self.sign} could not be measured, there is not enough memory ({self.error}); learning goes on: "
            "free memory, or choose smaller vitals.probe settings"
        )
