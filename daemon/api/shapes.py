"""The shapes of what goes over the wire, for checking requests and for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

Hours = Annotated[
    float, Field(gt=0, le=1e6, allow_inf_nan=False, description="Hours after which the run ends.")
]
Steps = Annotated[int, Field(gt=0, lt=2**53, description="Steps after which the run ends.")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Settings = Annotated[
    dict[str, Any], Field(description="Settings as dotted keys (`stream.rows`) or nested objects.")
]


class Request(BaseModel):
    """Base of request bodies: an unknown key is an error, and a number is never text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Page(BaseModel, Generic[T]):
    """A part of a list; ask for the next one with `?cursor=` and the value of `next`, until it is null."""

    items: list[T]
    next: str | None = None


class Health(BaseModel):
    """The daemon answers, and which home it serves."""

    status: Literal["ok"]
    version: str
    home_id: str


class Parent(BaseModel):
    """Where a run was forked from."""

    run: str
    step: int | None


class Limits(BaseModel):
    """Where a run ends by itself; null: never."""

    hours: float | None = None
    steps: int | None = None
    epochs: int | None = None
    held_out_bpc: float | None = None


class Reading(BaseModel):
    """One measurement of a vital sign; `value` null means not available, for `reason`.

    `raw` is the estimate before clipping, `uncertainty` one standard error, `samples` the effective number
    behind it, `version` that of the definition, `cost_ms` what measuring took.
    """

    model_config = ConfigDict(extra="allow")
    name: str
    value: float | None
    raw: float | None = None
    uncertainty: float | None = None
    samples: int = 0
    version: str = ""
    cost_ms: float = 0.0
    reason: str | None = None
    detail: dict[str, float] = {}
    step: int | None = None
    time: float | str | None = None


class Abilities(BaseModel):
    """What a brain of a kind can do.

    It `answers` a prompt (others continue it), learns from labelled texts alone (`learns_labels`), `can_grow`, or is
    `observable`: its modules can be watched, which some vital signs need.
    """

    answers: bool
    learns_labels: bool
    can_grow: bool
    observable: bool


class Run(BaseModel):
    """One line of learning."""

    id: str
    name: str
    preset: str | None
    brain: str | None
    abilities: Abilities | None
    device: str | None
    state: Literal[
        "queued",
        "starting",
        "running",
        "paused",
        "sleeping",
        "waiting",
        "stopping",
        "stopped",
        "finished",
        "crashed",
    ]
    degraded: str | None
    reason: str | None
    step: int
    samples: int
    training_seconds: float
    created_at: str
    started_at: str | None
    ended_at: str | None
    session: int
    parent: Parent | None
    limits: Limits
    latest: dict[str, float | None]
    latest_steps: dict[str, int]
    readings: dict[str, Reading]
    sample: str | None
    sample_step: int | None
    sample_time: str | None
    checkpoint: str | None
    checkpoint_step: int | None = None
    num_parameters: int | None
    num_neurons: int | None


class FullRun(Run):
    """A run with what it was made of."""

    sources: list[dict[str, Any]]
    config: dict[str, Any]


class Operation(BaseModel):
    """A pending command, or its outcome."""

    id: str
    run: str | None
    action: str
    state: Literal["pending", "done", "failed"]
    result: dict[str, Any] | None
    error: str | None
    created_at: str
    finished_at: str | None


class Event(BaseModel):
    """A fact; `seq` grows over all runs."""

    seq: int
    run: str | None
    session: int | None
    kind: str
    severity: Literal["info", "warning", "error"]
    step: int | None
    time: str
    message: str
    data: dict[str, Any]


class MetricSeries(BaseModel):
    """Columns of equal length, one row a bucket."""

    step: list[int]
    time: list[float]
    min: list[float | None]
    max: list[float | None]
    mean: list[float | None]
    last: list[float | None]
    n: list[int]


class Series(BaseModel):
    """Metrics over steps; `exact` when every bucket is one step."""

    run: str
    exact: bool
    resolution: int
    metrics: dict[str, MetricSeries]


class Checkpoint(BaseModel):
    """A committed state of a run; `id` is its directory's name."""

    id: str
    name: str
    run: str | None
    session: int | None
    step: int | None
    samples: int | None
    created_at: str
    reason: str | None
    size_bytes: int | None
    bpc: float | None
    recent_bpc: float | None = None
    pinned: bool
    verified: bool | None
    best: bool
    path: str | None


class FullCheckpoint(Checkpoint):
    """A checkpoint with its manifest."""

    manifest: dict[str, Any]


class Evaluation(BaseModel):
    """Held-out loss of one source; `coverage` is the share of its held-out set behind it.

    `bpc` is that of the network alone, `mixed_bpc` that of network and exact memory together; null without one.
    `accuracy` is that of a brain that predicts labels, over `examples` held-out examples; null for others.
    """

    source: str
    bpc: float | None
    mixed_bpc: float | None
    coverage: float | None
    age_steps: float | None
    accuracy: float | None
    examples: int | None
    step: int
    time: str


class Job(BaseModel):
    """A line of the diary."""

    model_config = ConfigDict(extra="allow")
    id: str
    summary: str
    trigger: Any
    next_run: str | None
    paused: bool
    last_run: str | None
    last_outcome: str | None


class Alarm(BaseModel):
    """An alarm; it stays raised until `cleared_at`, acknowledged or not."""

    id: str
    run: str
    session: int | None
    kind: str
    severity: Literal["info", "warning", "error"]
    step: int | None
    sign: str | None
    value: float | None
    message: str
    cause: str
    remedy: str
    raised_at: str
    cleared_at: str | None
    acknowledged_at: str | None


class VitalItem(BaseModel):
    """A vital sign: what it is called, what it means, and its healthy band, which is a convention."""

    name: str
    label: str
    summary: str
    measured: bool
    band: tuple[float, float]
    band_is: str


class PresetItem(BaseModel):
    """A ready-made run."""

    name: str
    summary: str
    config: dict[str, Any]


class BrainItem(BaseModel):
    """A brain that can be built, and its settings as JSON schema."""

    kind: str
    summary: str
    abilities: Abilities
    settings: dict[str, Any]


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] | None = None
