"""Messages between supervisor and trainer: the trainer's form of daemon.child_protocol.

Down: Command. Up: Ready once, Report at most ten times a second, Outcome for every command, Goodbye once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daemon.child_protocol import ChildGoodbye, ChildOrder, ChildReady

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.orders import Order


class RunState(StrEnum):
    """Where a run is in its life; `degraded` is a flag beside it."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    SLEEPING = "sleeping"
    WAITING = "waiting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    CRASHED = "crashed"

    @property
    def ended(self) -> bool:
        """No trainer belongs to the run any more."""
        return self in {RunState.STOPPED, RunState.FINISHED, RunState.CRASHED}


@dataclass(frozen=True, kw_only=True)
class TrainerOrder(ChildOrder):
    """All a trainer needs to begin.

    Attributes:
        home: the home folder.
        run_id: text id of the run, also the name of its folder under `replay/`.
        config: the resolved RunConfig as a JSON-able dict.
        checkpoint: directory or `.pt` file to resume; None starts from scratch.
        fall_back: try older checkpoints of the run when it is damaged.
        newest: `checkpoint` was the run's newest when the order was made; one committed since then is meant, too.
        fork_of: run id whose replay segments the checkpoint refers to, for a fork.
        limits_from_checkpoint: continue under the limits the checkpoint was learning under (a restart, or a resume that
            names none); False lets `config.limits` count from here.
    """

    home: Path
    run_id: str
    config: dict[str, Any]
    checkpoint: Path | None = None
    fall_back: bool = True
    newest: bool = False
    fork_of: str | None = None
    limits_from_checkpoint: bool = False

    @property
    def subject(self) -> str:
        """The run."""
        return self.run_id


@dataclass(frozen=True, kw_only=True)
class Command:
    """An order to the trainer, obeyed at a safe point between steps."""

    id: str
    order: Order

    @property
    def action(self) -> str:
        """What is asked for, by its name on the wire."""
        return self.order.action


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The answer to a command: what came of it, at which step. `error` is one line for a person."""

    id: str
    ok: bool
    step: int
    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    conflict: bool = False  # the action does not fit (HTTP 409)


@dataclass(frozen=True, kw_only=True)
class Ready(ChildReady):
    """The trainer has built or loaded its brain and is about to take its first step."""

    pid: int
    step: int
    samples: int
    device: str
    num_parameters: int
    num_neurons: int
    sources: list[dict[str, Any]]
    module_names: list[str]
    checkpoint: str | None  # the one really resumed, after any fall-back
    alarms: list[dict[str, Any]] = field(default_factory=list)  # those that are up, as event records


@dataclass(frozen=True, kw_only=True)
class Report:
    """What happened since the last report.

    Attributes:
        state: RunState value.
        step: last finished step; also the heartbeat.
        columns: step-aligned metric columns: `step`, `time` (unix seconds) and every hot metric, equal lengths.
        points: sparse values as (metric, step, time, value).
        events: records as Event.record() gives them.
        readings: newest Reading of each vital sign that was measured, as dicts, with `step` and `time`.
        sample: text the brain generates now, if drawn again.
        dropped: metric rows lost to a full queue so far.
    """

    state: str
    step: int
    samples: int
    training_seconds: float
    degraded: str | None = None
    columns: dict[str, list[float]] = field(default_factory=dict)
    points: list[tuple[str, int, float, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    readings: list[dict[str, Any]] = field(default_factory=list)
    sample: str | None = None
    dropped: int = 0


@dataclass(frozen=True, kw_only=True)
class Goodbye(ChildGoodbye):
    """The trainer's last message; its `state` is stopped, finished, paused or crashed.

    Attributes:
        checkpoint: name of the newest checkpoint; the final one, unless `error` is why there is none.
        begun: False when the session came to no step and knows no totals: the run stands where it stood.
    """

    step: int
    samples: int
    training_seconds: float
    checkpoint: str | None
    begun: bool = True


# Hot metrics: one wide row a step. Everything else travels as sparse points.
HOT_METRICS = ("bpc", "replay_bpc", "grad_norm", "learning_rate", "step_seconds")
