"""A run as it is now: its row in the store, joined with the newest report of its trainer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from daemon.abilities import abilities_of
from daemon.trainer_protocol import Goodbye, Ready, Report, RunState

# What a run's row and the run in memory call and hold alike.
AS_STORED = (
    "step", "samples", "training_seconds", "session", "device", "num_parameters", "num_neurons", "latest",
    "readings", "sample", "sample_step", "checkpoint",
)  # fmt: skip

# How a summary of forgetting calls the metrics.
FORGETTING_METRICS = {
    "mean": "forgetting",
    "worst": "forgetting_worst",
    "backward_transfer": "backward_transfer",
    "stability_gap": "stability_gap",
}


@dataclass(kw_only=True)
class LiveRun:
    """State of one run in memory; `view` is its form on the wire (Run in docs/reference/api.md)."""

    id: str
    name: str
    config: dict[str, Any]
    created_at: datetime
    state: RunState = RunState.QUEUED
    parent: dict[str, Any] | None = None
    degraded: str | None = None
    reason: str | None = None
    step: int = 0
    samples: int = 0
    training_seconds: float = 0.0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    session: int = 0
    device: str | None = None
    num_parameters: int | None = None
    num_neurons: int | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)
    latest: dict[str, float | None] = field(default_factory=dict)
    # Of each; what an older daemon stored has none.
    latest_steps: dict[str, int] = field(default_factory=dict)
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)
    sample: str | None = None
    sample_step: int | None = None
    sample_time: datetime | None = None
    checkpoint: str | None = None
    checkpoint_step: int | None = None  # of that checkpoint; None: not known
    curable: bool = True  # False: it crashed on a mistake of the user's, which no restart can cure

    def apply_ready(self, ready: Ready) -> None:
        """Take over what a trainer reports when it is about to learn."""
        if ready.step < self.step:
            self._forget_after(ready.step)
        self.step, self.samples = ready.step, ready.samples
        self.device = ready.device
        self.num_parameters, self.num_neurons = ready.num_parameters, ready.num_neurons
        self.sources = ready.sources
        if ready.checkpoint is not None:
            self.checkpoint, self.checkpoint_step = ready.checkpoint, ready.step

    def _forget_after(self, step: int) -> None:
        """Drop what was measured in steps that were lost; what it is not known of was measured in the newest."""
        lost = {name for name in self.latest if self.latest_steps.get(name, self.step) > step}
        self.latest = {name: value for name, value in self.latest.items() if name not in lost}
        self.latest_steps = {name: one for name, one in self.latest_steps.items() if name not in lost}
        self.readings = {
            name: one for name, one in self.readings.items() if one.get("step", self.step) <= step
        }
        if self.sample_step is None or self.sample_step > step:
            self.sample = self.sample_step = self.sample_time = None

    def apply_report(self, report: Report) -> None:
        """Take over the newest numbers of a report; the state is the supervisor's to change."""
        if report.state != RunState.STARTING:  # before it has read its checkpoint it knows no totals
            self.step, self.samples = report.step, report.samples
            self.training_seconds = report.training_seconds
        self.degraded = report.degraded
        for metric, values in report.columns.items():
            if values and metric not in ("step", "time"):
                self._note(metric, values[-1], step=int(report.columns["step"][-1]))
        for metric, step, _time, value in report.points:
            self._note(metric, value, step=step)
            if metric == "num_neurons":
                self.num_neurons = int(value)
            elif metric == "num_parameters":
                self.num_parameters = int(value)
        for reading in report.readings:
            self.readings[str(reading["name"])] = reading
            self._note(str(reading["name"]), reading.get("value"), step=reading.get("step", report.step))
        if report.sample is not None:
            self.sample, self.sample_step = report.sample, report.step
            times = report.columns.get("time")  # a report without steps has none
            self.sample_time = datetime.fromtimestamp(times[-1], UTC) if times else datetime.now(UTC)

    def _note(self, metric: str, value: float | None, *, step: int) -> None:
        self.latest[metric], self.latest_steps[metric] = finite(value), step

    def apply_goodbye(self, goodbye: Goodbye) -> RunState:
        """Take over a trainer's goodbye; the state it leaves the run in."""
        self.curable = goodbye.restartable
        state = RunState(goodbye.state)
        if state is not RunState.CRASHED and goodbye.begun:
            self.step, self.samples = goodbye.step, goodbye.samples
            self.training_seconds = goodbye.training_seconds
            self.checkpoint = goodbye.checkpoint or self.checkpoint
        return state if state.ended else RunState.STOPPED  # a trainer that ends while paused has stopped

    def forgetting(self) -> dict[str, float | None]:
        """Forgetting over all its sources."""
        return forgetting_summary(self.latest)

    def view(self, *, full: bool = True) -> dict[str, Any]:
        """The Run of the API; lists and the feed leave out `config` and `sources`."""
        limits = self.config.get("limits", {})
        view: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "preset": self.config.get("preset"),
            "brain": (kind := self.config.get("brain", {}).get("kind")),
            "abilities": abilities_of(kind),
            "device": self.device,
            "state": str(self.state),
            "degraded": self.degraded,
            "reason": self.reason,
            "step": self.step,
            "samples": self.samples,
            "training_seconds": self.training_seconds,
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "session": self.session,
            "parent": self.parent,
            "limits": {key: limits.get(key) for key in ("hours", "steps", "epochs", "held_out_bpc")},
            "latest": dict(self.latest),
            "latest_steps": dict(self.latest_steps),
            "readings": dict(self.readings),
            "sample": self.sample,
            "sample_step": self.sample_step,
            "sample_time": iso(self.sample_time),
            "checkpoint": self.checkpoint,
            "checkpoint_step": self.checkpoint_step,
            "num_parameters": self.num_parameters,
            "num_neurons": self.num_neurons,
        }
        if full:
            view["sources"] = list(self.sources)
            view["config"] = self.config
        return view


def run_from_row(row: dict[str, Any], *, checkpoint_step: int | None = None) -> LiveRun:
    """A run as the store remembers it."""

    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None

    created_at = moment(row["created_at"])
    assert created_at is not None
    return LiveRun(
        id=row["id"],
        name=row["name"] or row["id"],
        config=row["config"],
        created_at=created_at,
        state=RunState(row["state"]),
        parent=row["parent"],
        degraded=row["reason"] or "degraded" if row["degraded"] else None,
        reason=None if row["degraded"] else row["reason"],
        started_at=moment(row["started_at"]),
        ended_at=moment(row["ended_at"]),
        sources=row.get("sources") or [],
        sample_time=moment(row["sample_time"]),
        checkpoint_step=checkpoint_step,
        latest_steps=row["latest_steps"] or {},
        **{name: row[name] for name in AS_STORED},
    )


def forgetting_summary(latest: dict[str, float | None]) -> dict[str, float | None]:
    """Forgetting over all sources, from the newest metrics of a run; None where it was not measured.

    >>> forgetting_summary({"forgetting": 0.25})["mean"]
    0.25
    """
    return {name: latest.get(metric) for name, metric in FORGETTING_METRICS.items()}


def finite(value: Any) -> float | None:
    """A number as JSON can carry it: NaN and infinity are not available."""
    return float(value) if value is not None and math.isfinite(value) else None


def iso(time: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return time.astimezone(UTC).isoformat() if time is not None else None


def held_out_losses(points: list[tuple[str, int, float, float]]) -> list[dict[str, Any]]:
    """Rows of `evaluations` from points such as `held_out_bpc/stdlib`, one for each source and step.

    >>> held_out_losses([("held_out_bpc/a", 5, 0.0, 2.5), ("held_out_coverage/a", 5, 0.0, 0.1)])
    [{'source': 'a', 'step': 5, 'time': 0.0, 'bpc': 2.5, 'coverage': 0.1}]
    """
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for metric, step, time, value in points:
        name, slash, source = metric.partition("/")
        if slash and name.startswith("held_out_"):
            row = rows.setdefault((source, step), {"source": source, "step": step, "time": time})
            row[name.removeprefix("held_out_")] = finite(value)
    return [row for row in rows.values() if "bpc" in row]
