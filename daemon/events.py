"""Facts: frozen, typed, in the past tense. Numbers are metrics, prose is logs; an event is neither.

A trainer emits them, the supervisor stores and streams them; `record` gives the one wire form of all.
"""

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
class CheckpointSaved(Event):
    """A checkpoint was committed; from here on it can be resumed."""

    checkpoint: str  # directory name
    path: str
    reason: str  # auto, first, pause, stop, manual, growth, final
    size_bytes: int
    stall_seconds: float  # how long learning stood still
    seconds: float  # until committed
    metrics: dict[str, float]
    timestamp: float

    @property
    def message(self) -> str:
        return f"[Checkpoint] Saved to {self.path} ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class CheckpointFailed(Event):
    """A checkpoint could not be committed; learning goes on and it is tried again."""

    severity: ClassVar[Severity] = "error"
    reason: str
    error: str
    retry_seconds: float

    @property
    def message(self) -> str:
        return f"Checkpoint not saved ({self.error}); trying again in {self.retry_seconds:.0f} s"


@dataclass(frozen=True, kw_only=True)
class CheckpointSetAside(Event):
    """A damaged checkpoint was moved out of the way, never deleted; the next older one is tried."""

    severity: ClassVar[Severity] = "warning"
    checkpoint: str
    moved_to: str
    defect: str

    @property
    def message(self) -> str:
        return f"Checkpoint {self.checkpoint} is damaged ({self.defect}); set aside as {self.moved_to}"


@dataclass(frozen=True, kw_only=True)
class CheckpointPruned(Event):
    """A checkpoint was deleted by the retention rules."""

    checkpoint: str

    @property
    def message(self) -> str:
        return f"Checkpoint {self.checkpoint} pruned by the retention rules"


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """A run went on from a checkpoint; `differences` names what keeps it from being bit-exact."""

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
class DegradedChanged(Event):
    """The `degraded` flag of the run was raised or cleared."""

    severity: ClassVar[Severity] = "warning"
    degraded: bool
    reason: str

    @property
    def message(self) -> str:
        return f"Degraded: {self.reason}" if self.degraded else f"No longer degraded ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class NonFiniteStepSkipped(Event):
    """A step with a NaN or infinite loss or gradient changed nothing."""

    severity: ClassVar[Severity] = "warning"
    in_a_row: int

    @property
    def message(self) -> str:
        return f"Non-finite loss: step skipped ({self.in_a_row} in a row)"


@dataclass(frozen=True, kw_only=True)
class RolledBack(Event):
    """Too many non-finite steps: weights went back, the window of experience was skipped, the rate halved."""

    severity: ClassVar[Severity] = "error"
    to_step: int
    rate_factor: float

    @property
    def message(self) -> str:
        return f"Rolled back to the weights of step {self.to_step}; learning rate × {self.rate_factor:g}"


@dataclass(frozen=True, kw_only=True)
class ExperiencePushed(Event):
    """Text from outside was journaled and enters the stream at `step`."""

    num_bytes: int
    origin: str
    excerpt: str

    @property
    def message(self) -> str:
        return f"{self.num_bytes} bytes of experience from {self.origin}: {self.excerpt!r}"


@dataclass(frozen=True, kw_only=True)
class SourceOpened(Event):
    """A source was listed: how much there is, what was skipped."""

    source: str
    num_documents: int
    num_bytes: int
    num_skipped: int
    skipped: dict[str, int]  # reason → files

    @property
    def message(self) -> str:
        skipped = ", ".join(f"{count} {reason}" for reason, count in self.skipped.items())
        tail = f"; skipped {skipped}" if skipped else ""
        return f"Source {self.source}: {self.num_documents} documents, {self.num_bytes} bytes{tail}"


@dataclass(frozen=True, kw_only=True)
class SourceChanged(Event):
    """The files of a source are not what they were (found between passes or on resume)."""

    severity: ClassVar[Severity] = "warning"
    source: str
    what: str

    @property
    def message(self) -> str:
        return f"Source {self.source} changed: {self.what}"


@dataclass(frozen=True, kw_only=True)
class DocumentSkipped(Event):
    """A document could not be read on, or only in part; its lanes moved on."""

    severity: ClassVar[Severity] = "warning"
    source: str
    document: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.document} of source {self.source}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class PassFinished(Event):
    """A source was read to its end; another pass begins."""

    source: str
    number: int

    @property
    def message(self) -> str:
        return f"Source {self.source}: pass {self.number} finished"


@dataclass(frozen=True, kw_only=True)
class EvaluationFinished(Event):
    """The whole held-out set was scored on demand. BPC by source name."""

    bpc: float
    by_source: dict[str, float]
    num_bytes: int

    @property
    def message(self) -> str:
        return f"Held-out BPC {self.bpc:.3f} over {self.num_bytes} bytes"


@dataclass(frozen=True, kw_only=True)
class LimitReached(Event):
    """The run ended by its own limit."""

    limit: str

    @property
    def message(self) -> str:
        return f"Limit reached: {self.limit}"


@dataclass(frozen=True, kw_only=True)
class SettingRestored(Event):
    """Something a checkpoint did not carry, or that came from elsewhere, started anew."""

    severity: ClassVar[Severity] = "warning"
    what: str

    @property
    def message(self) -> str:
        return self.what


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
class BrainGrew(Event):
    """Neurons were born, or dormant ones renewed, without a change of what the brain says.

    The units are those of the site; of a part that is born whole, its own, so that there were none before.
    """

    site: str
    operator: str  # widen, deepen, expert, column, recycle
    units_before: int
    units_after: int
    num_renewed: int
    num_neurons: int
    trigger: str  # name of the rule, or by_hand
    reason: str
    evidence: dict[str, float]

    @property
    def message(self) -> str:
        if self.operator == "recycle":
            return f"[Neurogenesis] Renewing {self.num_renewed} dormant units of {self.site}: {self.reason}"
        parts = {"deepen": "a block behind ", "expert": "an expert beside ", "column": "a column, "}
        return f"[Neurogenesis] Growing {parts.get(self.operator, '')}{self.site}: {self.reason}"


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
    """A person has seen an alarm; it stays up until it no longer holds."""

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
