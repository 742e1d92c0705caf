"""Learning: steps skipped or rolled back, held-out text scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from daemon.events.event import Event, Severity
from daemon.system.counting import counted


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
    """Too many non-finite steps: weights were rolled back, the window of experience was skipped, the rate halved."""

    severity: ClassVar[Severity] = "error"
    to_step: int
    rate_factor: float

    @property
    def message(self) -> str:
        return f"Rolled back to the weights of step {self.to_step}; learning rate × {self.rate_factor:g}"


@dataclass(frozen=True, kw_only=True)
class LossCompared(Event):
    """The loss of the network alone on a sample of held-out text was compared with that at which the run ends."""

    bpc: float
    target_bpc: float

    @property
    def message(self) -> str:
        return f"Held-out BPC {self.bpc:.3f} on a sample; the run ends at {self.target_bpc:.3f}"


@dataclass(frozen=True, kw_only=True)
class PhaseProven(Event):
    """A phase of training ended, and each weight was compared with what it was when the phase began.

    What is frozen must not have moved by a bit; all else must have, by a gradient. The lists name what did not do so.
    """

    phase: int
    holds: bool
    num_frozen: int
    num_trained: int
    moved: list[str]
    unmoved: list[str]
    without_gradient: list[str]

    @property
    def message(self) -> str:
        found = (
            f"{self.num_frozen - len(self.moved)} of {self.num_frozen} frozen weights have not moved by a bit; of "
            f"{self.num_trained} trained ones {self.num_trained - len(self.unmoved)} moved and "
            f"{self.num_trained - len(self.without_gradient)} had a gradient"
        )
        if self.holds:
            return f"[Phase {self.phase}] Proven: {found}"
        named = ", ".join(dict.fromkeys([*self.moved, *self.unmoved, *self.without_gradient]))
        return f"[Phase {self.phase}] NOT proven: {found}; see {named}"


@dataclass(frozen=True, kw_only=True)
class EvaluationFinished(Event):
    """The whole held-out set was scored on demand. BPC by source name; accuracy of a brain that predicts labels.

    Of a brain with an exact memory, BPC is that of its network alone, `mixed_bpc` that of both together.
    """

    bpc: float
    by_source: dict[str, float]
    num_bytes: int
    accuracy: float | None = None
    num_examples: int = 0
    mixed_bpc: float | None = None
    mixed_by_source: dict[str, float] = field(default_factory=dict)

    @property
    def message(self) -> str:
        loss = f"Held-out BPC {self.bpc:.3f} over {counted(self.num_bytes, 'byte')}"
        if self.mixed_bpc is not None:
            loss += f"; with memory {self.mixed_bpc:.3f}"
        if self.accuracy is None:
            return loss
        return f"{loss}; accuracy {self.accuracy:.3f} over {counted(self.num_examples, 'example')}"
