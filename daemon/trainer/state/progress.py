"""How far a run has come, and the limits at which it ends by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.events import SettingRestored
from daemon.system.counting import counted
from daemon.trainer.state.checkpoint_form import Stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.config.tree import LimitsConfig
    from daemon.events import Event
    from daemon.trainer.ports import Clock

MAX_METRICS_HISTORY = 1000
METRICS_HISTORY_STEPS = 100
BPC_SMOOTHING = 0.99
SECONDS_PER_HOUR = 3600.0


@dataclass(kw_only=True)
class Progress(Stored):
    """The totals of a run. Its step is the clock of everything that may influence weights.

    Attributes:
        step: finished steps.
        samples: rows learned from so far.
        training_seconds: time spent learning, pauses left out.
        smooth_bpc: smoothed prequential BPC; checkpoints are compared by it, not by one lucky batch.
        metrics_history: a thinned record of the headline metrics, newest last.
        session_seconds: time spent learning in this session.
        recent_bpc: mean of its newest steps, as it is reported; None before the first.
    """

    step: int = 0
    samples: int = 0
    training_seconds: float = 0.0
    smooth_bpc: float | None = None
    metrics_history: list[dict[str, float]] = field(default_factory=list)
    session_seconds: float = field(default=0.0, init=False)
    recent_bpc: float | None = field(default=None, init=False)

    def count(self, bpc: float, *, num_samples: int, seconds: float) -> None:
        """Count a finished step; a step without live bytes has the BPC nan, which is left out."""
        self.step += 1
        self.samples += num_samples
        self.training_seconds += seconds
        self.session_seconds += seconds
        if not math.isnan(bpc):
            before = bpc if self.smooth_bpc is None else self.smooth_bpc
            self.smooth_bpc = BPC_SMOOTHING * before + (1 - BPC_SMOOTHING) * bpc
        if self.step % METRICS_HISTORY_STEPS == 0:
            self._remember({"step": self.step, "bpc": bpc, "seconds": self.training_seconds})

    def seconds_learned(self) -> float:
        """In this session, as a clock that stands still while the run does."""
        return self.session_seconds

    def _remember(self, metrics: dict[str, float]) -> None:
        """Append to the history; once it is full every other entry of it goes."""
        self.metrics_history.append(metrics)
        if len(self.metrics_history) > MAX_METRICS_HISTORY:
            del self.metrics_history[::2]


@dataclass(kw_only=True)
class Limits(Stored):
    """Where a run ends by itself.

    Attributes:
        target_step: finished steps.
        target_seconds: time spent learning.
        target_epochs: passes over every source.
        target_bpc: held-out loss, which `daemon.trainer.life.loss_limit` compares.
    """

    target_step: int | None = None
    target_seconds: float | None = None
    target_epochs: int | None = None
    target_bpc: float | None = None

    @classmethod
    def from_here(cls, limits: LimitsConfig, clock: Clock) -> Limits:
        """The limits of a session, counted from where the run stands."""
        seconds = None if limits.hours is None else clock.training_seconds + limits.hours * SECONDS_PER_HOUR
        steps = None if limits.steps is None else clock.step + limits.steps
        return cls(
            target_step=steps,
            target_seconds=seconds,
            target_epochs=limits.epochs,
            target_bpc=limits.held_out_bpc,
        )

    def drop_reached(self, clock: Clock, emit: Callable[[Event], None]) -> None:
        """Drop the limits that an earlier session has reached, and continue."""
        dropped = []
        if self.target_step is not None and clock.step >= self.target_step:
            self.target_step = None
            dropped.append("steps")
        if self.target_seconds is not None and clock.training_seconds >= self.target_seconds:
            self.target_seconds = None
            dropped.append("hours")
        for unit in dropped:
            what = f"the limit of {unit} was reached before; learning continues without it"
            emit(SettingRestored(step=clock.step, what=what))

    def reached(self, clock: Clock, passes_finished: int) -> str | None:
        """The limit at which the run ends now, in words; None before that."""
        if self.target_step is not None and clock.step >= self.target_step:
            return counted(self.target_step, "step")
        if self.target_seconds is not None and clock.training_seconds >= self.target_seconds:
            return f"{self.target_seconds / SECONDS_PER_HOUR:g} hours of learning"
        if self.target_epochs is not None and passes_finished >= self.target_epochs:
            return f"{self.target_epochs} epochs"
        return None
