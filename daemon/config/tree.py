"""The configuration of a run: one tree of frozen dataclasses, stored with the run and in every checkpoint.

Reading and merging (defaults < preset < environment < command line) lives in daemon.config.loading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from brain.growth.config import GrowthConfig
from brain.memory.config import ReplayConfig
from brain.optim.config import OptimizerConfig
from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, BYTES, COUNT, COUNT_OR_ZERO, SHARE, SIZE, SOME_LEFT, Range
from brain.sleep.config import ForgettingConfig, SleepConfig
from brain.vitals.config import VitalsConfig

DEFAULT_BRAIN = "synapse"


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """What is read and how.

    Attributes:
        data: files and folders, each one source of kind `files`; without these and `source` the standard library's.
        source: more sources, each a table of its own with a `kind` and that kind's settings.
        mix: how a lane chooses its next source at the end of a stretch.
        weights: relative weight of each source, by its name, for the weighted mix.
        rows: rows of a batch, replayed ones included; if there is only one, replayed rows are added to it.
        segment_bytes: bytes of a row.
        stretch_bytes: a lane may change source after this many bytes.
        held_out_share: share of blocks that are never trained on.
        samples_per_pass: rows after which a pass ends (classic epochs); None reads everything.
        at_end: `again` reads a source from its beginning once it is read; `wait` reads nothing twice and waits for
            more: text appended to files, new and changed files, what is pushed.
        idle_after_seconds: seconds without anything to read after which the run sleeps, then waits.
    """

    data: tuple[str, ...] = ()
    source: tuple[dict[str, Any], ...] = ()
    mix: Literal["sequential", "round_robin", "weighted", "curious"] = "round_robin"
    weights: Annotated[dict[str, float], AMOUNT_OR_ZERO] = field(default_factory=dict)
    rows: Annotated[int, SIZE] = 32
    segment_bytes: Annotated[int, BYTES] = 64
    stretch_bytes: Annotated[int, COUNT] = 1024
    held_out_share: Annotated[float, SOME_LEFT] = 0.01
    samples_per_pass: Annotated[int | None, COUNT] = None
    at_end: Literal["again", "wait"] = "again"
    idle_after_seconds: Annotated[float, AMOUNT_OR_ZERO] = 5.0

    def __post_init__(self) -> None:
        if self.at_end == "wait" and self.samples_per_pass is not None:
            raise ValueError(
                'stream.at_end = "wait" (--follow) reads nothing twice, so it has no passes to count; '
                "leave stream.samples_per_pass out, or take another preset"
            )


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """When a checkpoint is committed, and which of its own a run keeps.

    The best, the last before a growth, pinned ones and always a sound one stay as well. No run touches another's
    checkpoints; the room of all runs together is the home's: `keep.checkpoints_gib`.

    Attributes:
        every_seconds: from the start of one save to the commit of the next, if that takes no longer than the one
            before it: the most learning that a crash can cost.
        keep_latest: how many of the newest are kept.
        keep_hourly: for how many hours the last of each hour is kept.
        keep_daily: for how many days the last of each day is kept.
    """

    every_seconds: Annotated[float, AMOUNT] = 300.0
    keep_latest: Annotated[int, COUNT] = 5
    keep_hourly: Annotated[int, COUNT_OR_ZERO] = 24
    keep_daily: Annotated[int, COUNT_OR_ZERO] = 7


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Held-out loss by rotating slices of `slice_rows` blocks, within `budget_share` of the training time."""

    enabled: bool = True
    every_steps: Annotated[int, COUNT] = 10
    slice_rows: Annotated[int, SIZE] = 1
    budget_share: Annotated[float, SHARE] = 0.01


@dataclass(frozen=True, kw_only=True)
class RecoveryConfig:
    """What happens when the loss stops being finite."""

    rollback_after_skips: Annotated[int, COUNT] = 10
    pause_after_rollbacks: Annotated[int, COUNT] = 3


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """When a run ends by itself; None: never.

    Attributes:
        hours: hours of learning.
        steps: steps of learning.
        epochs: passes over every source.
        held_out_bpc: held-out loss of the network alone, measured every 200 steps on a sample of at most 64 blocks.
    """

    hours: Annotated[float | None, Range(at_most=1000000.0, above=0)] = None
    steps: Annotated[int | None, COUNT] = None
    epochs: Annotated[int | None, COUNT] = None
    held_out_bpc: Annotated[float | None, AMOUNT] = None


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """A short sample of the brain's text for the page, drawn at intervals, in at most 1/200 of the time."""

    every_seconds: Annotated[float, AMOUNT] = 60.0
    max_bytes: Annotated[int, Range(at_least=0, at_most=8192)] = 120
    temperature: Annotated[float, Range(at_least=0, at_most=10)] = 0.8
    top_p: Annotated[float, Range(at_most=1, above=0)] = 0.95


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything a run is made of.

    `brain` holds `kind` and that kind's own settings, checked against the registry's config class.

    Attributes:
        pretrained: checkpoint whose weights, and only those, the brain of a new run starts from.
    """

    preset: str = "default"
    pretrained: str | None = None
    seed: Annotated[int, COUNT_OR_ZERO] = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: Annotated[int, Range(at_least=0, at_most=4096)] = 0
    brain: dict[str, Any] = field(default_factory=lambda: {"kind": DEFAULT_BRAIN})
    stream: StreamConfig = field(default_factory=StreamConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    growth: GrowthConfig = field(default_factory=GrowthConfig)
    sleep: SleepConfig = field(default_factory=SleepConfig)
    forgetting: ForgettingConfig = field(default_factory=ForgettingConfig)
    vitals: VitalsConfig = field(default_factory=VitalsConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    recovery: RecoveryConfig = field(default_factory=RecoveryConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
