"""The base of all events."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `step` is the run's step, None where there is no run."""

    severity: ClassVar[Severity] = "info"
    step: int | None = None

    @classmethod
    def kind(cls) -> str:
        """Name on the wire: `checkpoint_saved` for CheckpointSaved."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def message(self) -> str:
        """One line for a person."""
        raise NotImplementedError

    def record(self, *, now: datetime | None = None) -> dict[str, Any]:
        """JSON-able form: kind, severity, step, time (ISO 8601, UTC), message, data."""
        data = dataclasses.asdict(self)
        return {
            "kind": self.kind(),
            "severity": self.severity,
            "step": data.pop("step"),
            "time": (now or datetime.now(UTC)).isoformat(),
            "message": self.message,
            "data": data,
        }
