"""All that survives a restart, named once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

MAX_METRICS_HISTORY = 1000
BPC_SMOOTHING = 0.99


@dataclass(kw_only=True)
class LoopState:
    """The loop's own part of a checkpoint; a JSON document. Tensors come from the parts that own them.

    What a checkpoint holds, and where: weights, moments, carried state and windows of the vital signs
    (`Brain.state`, `VitalSign.state_tensors`), random states (torch), the reservoir's slot table and the
    held-out tables (arrays), the stream's cursor (`loop.cursor` in `state.json`), and this.

    Attributes:
        step: finished steps; the clock of everything that may influence weights.
        samples: rows learned from so far.
        training_seconds: time spent learning, pauses left out.
        target_step: step at which the run ends by itself.
        target_seconds: training time at which it does.
        target_epochs: passes over every source at which it does.
        journal_sequence: last journal entry that has taken effect.
        smooth_bpc: smoothed prequential BPC; a checkpoint is told by it, not by one lucky batch.
        rollbacks: roll-backs since the loss was last steadily finite.
        skips: non-finite steps in a row.
        finite_steps: steps since the last non-finite one.
        due_resets: lanes whose carried state does not belong to the text before their next row; they begin anew.
        growth_history: what grew, when, with the metrics before and after.
        growth: what decides about growth: smoothed signals of the sites, the best error, what is pending.
        metrics_history: a thinned record of the headline metrics, newest last.
        governor: what the vital signs have cost.
        replay_fraction: share of rows that replay, as forgetting has moved it; None: the config's.
        sleep: step of the last waking, forgetting as last measured and, while asleep, how far that has come.
        probes: tracks of forgetting, and whose turn it is to be scored.
        alarms: those that are up, their evidence of an hour, and the rise of the worst probe.
    """

    step: int = 0
    samples: int = 0
    training_seconds: float = 0.0
    target_step: int | None = None
    target_seconds: float | None = None
    target_epochs: int | None = None
    journal_sequence: int = 0
    smooth_bpc: float | None = None
    rollbacks: int = 0
    skips: int = 0
    finite_steps: int = 0
    due_resets: list[int] = field(default_factory=list)
    growth_history: list[dict[str, Any]] = field(default_factory=list)
    growth: dict[str, Any] = field(default_factory=dict)
    metrics_history: list[dict[str, float]] = field(default_factory=list)
    governor: dict[str, Any] = field(default_factory=dict)
    replay_fraction: float | None = None
    sleep: dict[str, Any] = field(default_factory=dict)
    probes: dict[str, Any] = field(default_factory=dict)
    alarms: dict[str, Any] = field(default_factory=dict)

    def follow_loss(self, bpc: float) -> None:
        """Smooth the loss; a step without live bytes (nan) counts for nothing."""
        if not math.isnan(bpc):
            before = bpc if self.smooth_bpc is None else self.smooth_bpc
            self.smooth_bpc = BPC_SMOOTHING * before + (1 - BPC_SMOOTHING) * bpc

    def remember_metrics(self, metrics: dict[str, float]) -> None:
        """Append to the history; once it is full every other entry of it goes."""
        self.metrics_history.append(metrics)
        if len(self.metrics_history) > MAX_METRICS_HISTORY:
            del self.metrics_history[::2]

    def limit_reached(self, passes_finished: int) -> str | None:
        """The limit at which the run ends by itself, in words; None before it is reached."""
        if self.target_step is not None and self.step >= self.target_step:
            return f"{self.target_step:,} steps"
        if self.target_seconds is not None and self.training_seconds >= self.target_seconds:
            return f"{self.target_seconds / 3600:g} hours of learning"
        if self.target_epochs is not None and passes_finished >= self.target_epochs:
            return f"{self.target_epochs} epochs"
        return None
