"""Checkpoints: committed, failed, set aside, pruned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


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
class ModelWritten(Event):
    """A finished run left its brain as one file, which resumes and which other programs load."""

    path: str

    @property
    def message(self) -> str:
        return f"[Model] Written to {self.path}"


@dataclass(frozen=True, kw_only=True)
class ModelNotWritten(Event):
    """A finished run could not leave its brain as one file; its checkpoints are untouched."""

    severity: ClassVar[Severity] = "error"
    path: str
    error: str

    @property
    def message(self) -> str:
        return (
            f"The model file could not be written: {self.error}. Its checkpoints are intact: synapsed export"
        )


@dataclass(frozen=True, kw_only=True)
class CheckpointFailed(Event):
    """A checkpoint could not be committed; learning continues and it is tried again."""

    severity: ClassVar[Severity] = "error"
    reason: str
    error: str
    retry_seconds: float

    @property
    def message(self) -> str:
        if self.reason == "final":  # whether there is time to try again, who ends the run knows
            return f"Last checkpoint not saved ({self.error})"
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
