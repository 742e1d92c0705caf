"""A scripted learner: numbers that look like a run's, made from the step alone."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

METRICS = ("bpc", "replay_bpc", "grad_norm", "learning_rate", "step_seconds")
VITALS = ("phi", "agency", "integration", "confidence", "self_prediction_error")
SPIKE_STEP = 3333
START = datetime.now(UTC) - timedelta(minutes=20)


def hot(step: int) -> dict[str, float]:
    """The hot metrics of a step; one loss spike stands at SPIKE_STEP."""
    noise = random.Random(step)
    bpc = 2.05 + 5.9 * math.exp(-step / 260) + 0.5 * math.exp(-step / 2500) + noise.gauss(0, 0.06)
    return {
        "bpc": 9.5 if step == SPIKE_STEP else bpc,
        "replay_bpc": bpc - 0.12 + noise.gauss(0, 0.05),
        "grad_norm": abs(0.4 + 2 * math.exp(-step / 400) + noise.gauss(0, 0.08)),
        "learning_rate": 3e-6 * min(1.0, step / 200),
        "step_seconds": 0.1 + abs(noise.gauss(0, 0.01)) + (0.3 if noise.random() < 0.005 else 0),
    }


def vital(name: str, step: int) -> float:
    """Value of a vital sign at a step."""
    low, high = {
        "phi": (0.1, 0.52), "agency": (0.05, 0.66), "integration": (0.3, 0.72), "confidence": (0.52, 0.83),
        "self_prediction_error": (0.95, 0.31),
    }[name]  # fmt: skip
    wobble = random.Random(f"{name}{step}").gauss(0, 0.01)
    return min(1.0, max(0.0, low + (high - low) * (1 - math.exp(-step / 900)) + wobble))


def moment(step: int) -> float:
    """Unix seconds at which a step of the script happened."""
    return (START + timedelta(seconds=step * 0.11)).timestamp()


def clock_time(step: int) -> str:
    """The same as the API writes it."""
    return datetime.fromtimestamp(moment(step), UTC).isoformat()


def reading(name: str, step: int) -> dict[str, Any]:
    """Reading of a vital sign; agency is never available to this learner."""
    common = {"name": name, "step": step, "time": moment(step), "version": "1", "cost_ms": 27.4}
    if name == "agency":
        reason = f"warming up, {min(step, 399)} of 400 choices"
        return common | {
            "value": None,
            "raw": None,
            "uncertainty": None,
            "samples": 0,
            "reason": reason,
            "detail": {},
        }
    value = vital(name, step)
    return common | {
        "value": value, "raw": value, "uncertainty": 0.014, "samples": 4096, "reason": None,
        "detail": {"nats": 0.155},
    }  # fmt: skip


@dataclass(kw_only=True)
class FakeRun:
    """A run of the script."""

    id: str
    name: str
    state: str = "running"
    step: int = 0
    session: int = 1
    preset: str = "default"
    degraded: str | None = None
    reason: str | None = None
    parent: dict[str, Any] | None = None
    checkpoint: str | None = None
    sample: str | None = None
    hours_ago: float = 0.0
    limits: dict[str, Any] = field(default_factory=dict)
    training_seconds: float | None = None  # None: what its steps take
    latest: dict[str, float | None] | None = None  # None: what the script measures
    readings: dict[str, Any] = field(default_factory=dict)  # beside `latest`
    abilities: dict[str, bool] | None = None

    @property
    def ended(self) -> bool:
        """No trainer belongs to it any more."""
        return self.state in ("stopped", "finished", "crashed")

    def view(self) -> dict[str, Any]:
        """Run, as lists and the feed carry it."""
        created = (START - timedelta(hours=self.hours_ago)).isoformat()
        latest: dict[str, float | None] = dict(hot(self.step)) if self.step else {}
        readings = {name: reading(name, self.step) for name in VITALS} if self.step else {}
        latest |= {name: one["value"] for name, one in readings.items()}
        latest |= {"vitals_ticks": 9.0, "vitals_spent_seconds": 0.46, "vitals_interval_steps": 62.0}
        if self.latest is not None:
            latest, readings = self.latest, self.readings
        seconds = self.step * 0.11 if self.training_seconds is None else self.training_seconds
        return {
            "id": self.id, "name": self.name, "preset": self.preset, "brain": "synapse", "abilities": self.abilities,
            "device": "cpu",
            "state": self.state, "degraded": self.degraded, "reason": self.reason, "step": self.step,
            "samples": self.step * 32, "training_seconds": seconds, "created_at": created,
            "started_at": created, "ended_at": None, "session": self.session, "parent": self.parent,
            "limits": self.limits, "latest": latest, "latest_steps": dict.fromkeys(latest, self.step),
            "readings": readings, "sample": self.sample,
            "sample_step": None if self.sample is None else self.step,
            "sample_time": None if self.sample is None else clock_time(self.step),
            "checkpoint": self.checkpoint, "checkpoint_step": self.step if self.checkpoint else None,
            "num_parameters": 1_913_344, "num_neurons": 2048,
        }  # fmt: skip

    def full_view(self) -> dict[str, Any]:
        """FullRun."""
        return {**self.view(), "sources": [], "config": {"preset": self.preset}}

    def delta(self, first: int, last: int) -> dict[str, Any]:
        """The delta frame of the steps from `first` to `last`."""
        steps = list(range(first, last + 1))
        rows = [hot(step) for step in steps]
        columns = {name: [row[name] for row in rows] for name in METRICS}
        frame: dict[str, Any] = {
            "type": "delta", "run": self.id, "state": self.state, "degraded": self.degraded, "step": last,
            "samples": last * 32, "training_seconds": last * 0.11, "points": [], "readings": [],
            "columns": {"step": steps, "time": [moment(step) for step in steps], **columns},
        }  # fmt: skip
        if any(step % 50 == 0 for step in steps):
            frame["readings"] = [reading(name, last) for name in VITALS]
            measured = [name for name in VITALS if name != "agency"]
            frame["points"] = [[name, last, moment(last), vital(name, last)] for name in measured]
            frame["points"].append(["held_out_bpc", last, moment(last), hot(last)["bpc"] + 0.1])
        if self.sample is not None and any(step % 20 == 0 for step in steps):
            frame["sample"] = self.sample
        return frame

    def series(self, metrics: list[str], start: int, end: int | None, points: int) -> dict[str, Any]:
        """Series of the steps from `start` to `end`, in at most `points` buckets."""
        end = self.step if end is None else min(end, self.step)
        answer: dict[str, Any] = {"run": self.id, "exact": True, "resolution": 1, "metrics": {}}
        for metric in metrics:
            stride = 1 if metric in METRICS else 50
            steps = [step for step in range(max(1, start), end + 1) if step % stride == 0]
            if metric == "agency" or metric not in (*METRICS, *VITALS, "held_out_bpc"):
                steps = []
            size = max(1, math.ceil(len(steps) / points))
            answer["exact"] = answer["exact"] and size == 1
            answer["resolution"] = max(answer["resolution"], size)
            answer["metrics"][metric] = columns_of(metric, steps, size)
        return answer


def columns_of(metric: str, steps: list[int], size: int) -> dict[str, list[float]]:
    """Buckets of `size` values as the series API gives them."""
    columns: dict[str, list[float]] = {
        name: [] for name in ("step", "time", "min", "max", "mean", "last", "n")
    }
    for index in range(0, len(steps), size):
        bucket = steps[index : index + size]
        values = [value_of(metric, step) for step in bucket]
        row = (
            bucket[-1],
            moment(bucket[-1]),
            min(values),
            max(values),
            sum(values) / len(values),
            values[-1],
        )
        for name, value in zip(columns, (*row, len(values)), strict=True):
            columns[name].append(value)
    return columns


def value_of(metric: str, step: int) -> float:
    """Value of any metric of the script at a step."""
    if metric in METRICS:
        return hot(step)[metric]
    return hot(step)["bpc"] + 0.1 if metric == "held_out_bpc" else vital(metric, step)
