"""What became of a run and of its trainers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity
from daemon.system.counting import counted


@dataclass(frozen=True, kw_only=True)
class StateChanged(Event):
    """The run went from one state to another."""

    before: str
    after: str
    reason: str = ""

    @property
    def message(self) -> str:
        return f"{self.before} → {self.after}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """A run continued from a checkpoint; `differences` names what keeps it from being bit-exact."""

    checkpoint: str
    differences: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        tail = f"; not bit-exact: {'; '.join(self.differences)}" if self.differences else ""
        return f"Resumed from {self.checkpoint}{tail}"


@dataclass(frozen=True, kw_only=True)
class TrainerLost(Event):
    """The trainer died or stopped answering."""

    severity: ClassVar[Severity] = "error"
    reason: str
    restart_seconds: float | None  # None: no further restart

    @property
    def message(self) -> str:
        after = (
            "no further restart"
            if self.restart_seconds is None
            else f"restart in {self.restart_seconds:.0f} s"
        )
        return f"Trainer lost ({self.reason}); {after}"


@dataclass(frozen=True, kw_only=True)
class TrainerSlow(Event):
    """The trainer sent nothing for long, but uses the processor: it is left alone."""

    severity: ClassVar[Severity] = "warning"
    silent_seconds: float

    @property
    def message(self) -> str:
        return f"The trainer is slow: it works, but has sent nothing for {self.silent_seconds:.0f} s"


@dataclass(frozen=True, kw_only=True)
class DegradedChanged(Event):
    """The `degraded` flag of the run was raised or cleared."""

    severity: ClassVar[Severity] = "warning"
    degraded: bool
    reason: str

    @property
    def message(self) -> str:
        return f"Degraded: {self.reason}" if self.degraded else f"No longer degraded ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class LimitReached(Event):
    """The run ended by its own limit."""

    limit: str

    @property
    def message(self) -> str:
        return f"Limit reached: {self.limit}"


@dataclass(frozen=True, kw_only=True)
class SettingRestored(Event):
    """Something a checkpoint did not carry, or that came from elsewhere, was initialised."""

    severity: ClassVar[Severity] = "warning"
    what: str

    @property
    def message(self) -> str:
        return self.what


@dataclass(frozen=True, kw_only=True)
class OrderBroke(Event):
    """An unexpected error while carrying out an order; the run continues as if it had not been given."""

    severity: ClassVar[Severity] = "error"
    action: str
    error: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"{self.action} failed and was abandoned: {self.error}; trainer.log has the traceback"


@dataclass(frozen=True, kw_only=True)
class RunDeleted(Event):
    """A run was deleted because a person asked: its checkpoints, its memories, its history."""

    run: str
    name: str
    num_checkpoints: int
    freed_bytes: int
    kept_for: tuple[str, ...] = ()  # forks that still replay some of its memories, which stay for them

    @property
    def message(self) -> str:
        """What went, and what stays for whom."""
        checkpoints = counted(self.num_checkpoints, "checkpoint")
        kept = f"; memories that {', '.join(self.kept_for)} still replays are kept" if self.kept_for else ""
        return f"Run {self.name} ({self.run}) deleted with {checkpoints}{kept}"
