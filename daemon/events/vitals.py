"""Vital signs: alarms, and measurements that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from daemon.events.event import Event, Severity

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class AlarmRaised(Event):
    """A vital sign is alarming; `level` is the alarm's own severity and becomes the event's."""

    severity: ClassVar[Severity] = "warning"
    alarm: str  # phi_falling, agency_low, …
    level: Severity
    sign: str
    cause: str
    remedy: str
    value: float | None

    @property
    def message(self) -> str:
        shown = "" if self.value is None else f" ({self.sign} {self.value:.3f})"
        return f"{self.cause}{shown} → {self.remedy}"

    def record(self, *, now: datetime | None = None) -> dict[str, Any]:
        return {**super().record(now=now), "severity": self.level}


@dataclass(frozen=True, kw_only=True)
class AlarmCleared(Event):
    """An alarm no longer holds."""

    alarm: str
    sign: str
    raised_step: int

    @property
    def message(self) -> str:
        return f"Alarm {self.alarm} cleared (raised at step {self.raised_step})"


@dataclass(frozen=True, kw_only=True)
class AlarmAcknowledged(Event):
    """A person has seen an alarm; it stays raised until it no longer holds."""

    id: str
    alarm: str

    @property
    def message(self) -> str:
        return f"Alarm {self.alarm} acknowledged"


@dataclass(frozen=True, kw_only=True)
class StopHinted(Event):
    """All stop rules have held for an hour; nothing is stopped by itself."""

    cause: str
    remedy: str

    @property
    def message(self) -> str:
        return f"{self.cause} → {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class MeasurementFailed(Event):
    """A vital sign could not be computed; reported once, until it is measured again or fails in another way."""

    severity: ClassVar[Severity] = "warning"
    sign: str
    error: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"{self.sign} could not be measured ({self.error}); learning continues"


@dataclass(frozen=True, kw_only=True)
class VitalSignRedefined(Event):
    """A run continues whose vital sign was measured by another definition until now."""

    sign: str
    before: int
    now: int

    @property
    def message(self) -> str:
        """One line for a person."""
        return (
            f"From here on {self.sign} is measured by definition {self.now}, before by definition {self.before}: the "
            "two parts of its curve cannot be compared"
        )


@dataclass(frozen=True, kw_only=True)
class MeasurementOutOfMemory(Event):
    """There was not enough memory to measure a vital sign; reported once, until it is measured again."""

    severity: ClassVar[Severity] = "warning"
    sign: str
    error: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return (
            f"{self.sign} could not be measured, there is not enough memory ({self.error}); learning continues: "
            "free memory, or choose smaller vitals.probe settings"
        )
