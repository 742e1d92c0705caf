"""Settings of sleep and of the measuring of forgetting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from brain.ranges import AMOUNT_OR_ZERO, BYTES, COUNT, COUNT_OR_ZERO, SHARE, SIZE, SOME_LEFT, Range

MAX_SLEEP_STEPS = 10_000


@dataclass(frozen=True, kw_only=True)
class SleepConfig:
    """When the brain sleeps, and how long.

    Attributes:
        every_steps: sleep after this many steps awake; 0: only when asked to.
        steps: of one sleep, at most 10,000.
        rest_steps: forgetting starts a sleep, at the earliest so many steps after the last; 0: never.
        idle_awake_steps: an idle stream starts a sleep, at the earliest so many steps after the last; 0: never.
        rows: replayed in each of them; None: as many as a batch awake has.
        carried_share: of these rows, those that the exact memory knows better than the network, where there is one.
        carried_items: so many different ones at most, each of them twice.
        final_rate: share of the learning rate that is left at the end of a sleep.
        tolerance: relative rise of the mean probe loss beyond which a sleep is undone; a loss below 0.2 bits per byte
            counts as 0.2 there, since near zero any change is a large share.
    """

    every_steps: Annotated[int, COUNT_OR_ZERO] = 5000
    steps: Annotated[int, COUNT] = 100
    rest_steps: Annotated[int, COUNT_OR_ZERO] = 1000
    idle_awake_steps: Annotated[int, COUNT_OR_ZERO] = 200
    rows: Annotated[int | None, SIZE] = None
    carried_share: Annotated[float, SHARE] = 0.5
    carried_items: Annotated[int, SIZE] = 1024
    final_rate: Annotated[float, Range(at_most=1, above=0)] = 0.1
    tolerance: Annotated[float, AMOUNT_OR_ZERO] = 0.01

    def __post_init__(self) -> None:
        if self.steps > MAX_SLEEP_STEPS:
            raise ValueError(f"sleep.steps = {self.steps}: at most {MAX_SLEEP_STEPS} is expected")


@dataclass(frozen=True, kw_only=True)
class ForgettingConfig:
    """A frozen probe of each source, scored in turn by the step.

    Attributes:
        enabled: without it neither replay nor sleep answers to forgetting.
        rows: of each source's probe.
        row_bytes: of a row, read from a reset state.
        every_steps: a slice is scored after this many steps.
        slice_rows: rows of a slice; from `rows` on a slice is the whole probe.
        smoothing: share of the past in the smoothed loss; a turn over all rows of a source is an observation.
        threshold: mean forgetting in BPC beyond which more is replayed, and sleep comes.
    """

    enabled: bool = True
    rows: Annotated[int, SIZE] = 16
    row_bytes: Annotated[int, BYTES] = 256
    every_steps: Annotated[int, COUNT] = 50
    slice_rows: Annotated[int, SIZE] = 4
    smoothing: Annotated[float, SOME_LEFT] = 0.7
    threshold: Annotated[float, AMOUNT_OR_ZERO] = 0.02
