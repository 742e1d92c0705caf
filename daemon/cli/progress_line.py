"""The state of a run, gathered from the daemon's live feed, and as a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brain.registry import brains
from daemon.cli.output import MISSING, duration, number
from daemon.system.counting import counted, dated
from daemon.system.escaping import one_line
from daemon.trainer_protocol import RunState

# Facts a person at the terminal does not want one line each for.
QUIET_KINDS = frozenset({"checkpoint_pruned", "job_finished"})
Metric = tuple[str, str, int]  # label, name, decimals
LINE: tuple[Metric, ...] = (
    ("Φ", "phi", 3),
    ("Agency", "agency", 3),
    ("BPC", "recent_bpc", 2),
    ("BPC with memory", "mixed_bpc", 2),
    ("Accuracy", "accuracy", 3),
)
# Those that predict labels, and those with an exact memory.
COUNTED_BY_SOME = frozenset(
    {"accuracy", "growth_gain", "held_out_accuracy", "mixed_bpc", "held_out_mixed_bpc", "reliance"}
)
OF_MODULES = frozenset({"phi", "integration", "agency", "self_prediction_error"})
OF_THE_MOMENT = frozenset({"steps_per_second", "bytes_per_second"})  # not shown for a stopped run
LEARNING = frozenset({RunState.RUNNING, RunState.SLEEPING})
MODEL_NOT_WRITTEN = "model_not_written"
UNSUPPORTED = "unsupported"  # in the detail of a reading: a brain of this kind cannot have it


@dataclass
class Progress:
    """The newest numbers of one run; `home` shortens paths, `flag` completes command lines."""

    home: Path
    flag: str = ""
    run: str | None = None
    name: str = ""
    state: str = ""
    degraded: str | None = None
    reason: str | None = None
    step: int = 0
    samples: int = 0
    training_seconds: float = 0.0
    checkpoint: str | None = None
    checkpoint_step: int | None = None
    sample: str | None = None
    device: str | None = None
    not_written: str | None = None  # why a file that the run was to leave is not there
    shows_loss: bool = False  # as the registry says of this kind of brain
    best: float = math.inf  # lowest held-out loss at a checkpoint, in bits per byte
    values: dict[str, float | None] = field(default_factory=dict)
    unsupported: set[str] = field(default_factory=set)
    measured_at: dict[str, int] = field(default_factory=dict)  # step of each newest value, where it is known

    def take_run(self, run: dict[str, Any]) -> None:
        """Take over a Run of the API; of another run, and of steps that were lost, nothing stays."""
        if run["id"] != self.run or run["step"] < self.step:
            self.values.clear()
            self.measured_at.clear()
            self.unsupported.clear()
            self.sample, self.best = None, math.inf
        self.run, self.name, self.state = run["id"], run.get("name") or run["id"], run["state"]
        self.degraded, self.reason = run.get("degraded"), run.get("reason")
        self.step, self.samples = run["step"], run["samples"]
        self.training_seconds = run["training_seconds"]
        self.device = run.get("device") or self.device
        self.shows_loss = shows_loss(run.get("brain"))
        if run.get("checkpoint"):
            self.checkpoint, self.checkpoint_step = run["checkpoint"], run.get("checkpoint_step")
        self.sample = run.get("sample") or self.sample
        self.values.update(run.get("latest") or {})
        self.measured_at.update(run.get("latest_steps") or {})
        if not (run.get("abilities") or {}).get("observable", True):  # known before anything is measured
            self.unsupported |= OF_MODULES
        self._take_readings((run.get("readings") or {}).values())

    def take_delta(self, delta: dict[str, Any]) -> None:
        """Take over a `delta` of the live feed."""
        self.state, self.degraded = delta["state"], delta.get("degraded")
        self.step, self.samples = delta["step"], delta["samples"]
        self.training_seconds = delta["training_seconds"]
        self.sample = delta.get("sample") or self.sample
        for name, column in (delta.get("columns") or {}).items():
            if column:
                self._note(name, column[-1], step=delta["columns"].get("step", [delta["step"]])[-1])
        for metric, step, _time, value in delta.get("points") or []:
            self._note(metric, value, step=step)
        self._take_readings(delta.get("readings") or [])

    def take_event(self, event: dict[str, Any]) -> None:
        """Take over an Event of the API."""
        if event["kind"] == "checkpoint_saved":
            self.checkpoint, self.checkpoint_step = event["data"]["checkpoint"], event["step"]
        elif event["kind"] == MODEL_NOT_WRITTEN:
            self.not_written = str(event["message"])

    def line(self) -> str:
        """`Step    1234 | Φ=0.452 | Agency=0.723 | BPC=2.91 | Time: 2m 34s`, as far as this kind of brain has them.

        Of a kind that shows its loss `Step 10: Loss = 2.8451 | BPC = 4.1046 | LR = 3.00e-05`.
        """
        if self.shows_loss:
            bpc, rate = (
                self.values.get("recent_bpc", self.values.get("bpc")),
                self.values.get("learning_rate"),
            )
            shown = MISSING if rate is None else f"{rate:.2e}"
            return f"Step {self.step}: {losses(bpc)} | LR = {shown}"
        parts = [f"{label}={self.value(metric, digits)}" for label, metric, digits in self.shown(LINE)]
        return " | ".join([f"Step {self.step:>7}", *parts, f"Time: {duration(self.training_seconds)}"])

    def shown(self, metrics: Iterable[Metric]) -> list[Metric]:
        """Those that this kind of brain can have; what only some count once it counts it."""
        return [
            one
            for one in metrics
            if one[1] not in self.unsupported
            and (one[1] not in OF_THE_MOMENT or self.state in LEARNING)
            and (one[1] in self.values or one[1] not in COUNTED_BY_SOME)
        ]

    def _take_readings(self, readings: Iterable[dict[str, Any]]) -> None:
        for reading in readings:
            self._note(reading["name"], reading["value"], step=reading.get("step"))
            if (reading.get("detail") or {}).get(UNSUPPORTED):
                self.unsupported.add(reading["name"])
            else:
                self.unsupported.discard(reading["name"])

    def _note(self, metric: str, value: float | None, *, step: int | None) -> None:
        self.values[metric] = value
        if step is not None:
            self.measured_at[metric] = step

    def value(self, metric: str, digits: int) -> str:
        """Newest value of a metric, with its step if that is long past, or a dash.

        Before there is a mean of the newest losses it is the newest loss.
        """
        if metric == "recent_bpc" and metric not in self.values:
            metric = "bpc"
        value = self.values.get(metric)
        if value is None or not math.isfinite(value):
            return MISSING
        return dated(number(value, digits), self.measured_at.get(metric), now=self.step)

    def line_of(self, event: dict[str, Any]) -> str | None:
        """An event as one line; None for one that is not worth it."""
        if event["kind"] in QUIET_KINDS:
            return None
        if event["kind"] == "checkpoint_saved":
            saved = f"[Checkpoint] Saved to {self.short(event['data']['path'])} ({event['data']['reason']})"
            return self._validation() + one_line(saved)
        prefix = {"warning": "Warning: ", "error": "Error: "}.get(event["severity"], "")
        return prefix + one_line(str(event["message"]))

    def _validation(self) -> str:
        """A line above that of a checkpoint: the held-out loss as it was measured last; without one nothing."""
        bpc = self.values.get("held_out_bpc")
        if not self.shows_loss or bpc is None or not math.isfinite(bpc):
            return ""
        best, self.best = bpc < self.best, min(bpc, self.best)
        return f"-- VALIDATION: {losses(bpc)} --{' best so far' if best else ''}\n"

    def short(self, path: str) -> str:
        """A path from the home on."""
        inside = Path(path)
        return str(inside.relative_to(self.home)) if inside.is_relative_to(self.home) else path

    def totals(self) -> dict[str, Any]:
        """The summary's numbers by name."""
        return {
            "run": self.run,
            "state": self.state,
            "steps": self.step,
            "samples": self.samples,
            "training_seconds": self.training_seconds,
            "checkpoint": f"checkpoints/{self.checkpoint}" if self.checkpoint else None,
            "unsaved_steps": self.unsaved_steps(),
            "resume": self.resume_command(),
        }

    def resume_command(self) -> str | None:
        """The command line that resumes."""
        return f"synapsed resume {self.checkpoint}{self.flag}" if self.checkpoint else None

    def unsaved_steps(self) -> int:
        """Steps since the newest checkpoint; they cannot be resumed."""
        return 0 if self.checkpoint_step is None else max(0, self.step - self.checkpoint_step)

    def saved(self) -> str:
        """The line about what was saved last; final is only what holds every step."""
        if self.checkpoint is None:
            return "Final checkpoint: none"
        if lost := self.unsaved_steps():
            steps = counted(lost, "step since then is", "steps since then are")
            return f"Last checkpoint: checkpoints/{self.checkpoint} ({steps} lost)"
        known = "Newest" if self.checkpoint_step is None else "Final"
        return f"{known} checkpoint: checkpoints/{self.checkpoint}"

    def summary(self) -> str:
        """The last lines of a run."""
        lines = [
            "",
            "TRAINING SUMMARY",
            f"Total steps: {self.step:,}",
            f"Total samples: {self.samples:,}",
            f"Training time: {duration(self.training_seconds)}",
            self.saved(),
        ]
        if self.checkpoint:
            lines += ["", "To resume:", f"  {self.resume_command()}"]
        return "\n".join(lines)


def losses(bpc: float | None) -> str:
    """A loss in nats and in bits a byte.

    >>> losses(2.2578), losses(None)
    ('Loss = 1.5650 | BPC = 2.2578', 'Loss = – | BPC = –')
    """
    finite = bpc if bpc is not None and math.isfinite(bpc) else None
    return f"Loss = {number(None if finite is None else finite * math.log(2), 4)} | BPC = {number(finite, 4)}"


def shows_loss(kind: str | None) -> bool:
    """Whether the line of a kind of brain is that of its loss; one that is not known here has the usual one."""
    return any(entry.shows_loss for entry in brains if entry.name == kind)
