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
        every_steps: sleep after this many steps awake; 0: only on request.
        steps: length of a sleep, at most 10,000.
        rest_steps: least steps between two sleeps that forgetting starts; 0: it starts none.
        idle_awake_steps: least steps between two sleeps that an idle stream starts; 0: it starts none.
        rows: rows replayed in each step of sleep; None: as many as a batch awake has.
        carried_share: share of these rows that the exact memory, if there is one, predicts better than the network.
        carried_items: most different passages among them; each is replayed twice.
        final_rate: learning rate at the end of a sleep, as a share of the usual one.
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
    """A frozen probe of each source, scored slice by slice at fixed steps.

    Attributes:
        enabled: if false, neither replay nor sleep reacts to forgetting.
        rows: rows of each source's probe.
        row_bytes: bytes of a row; each is read from a reset state.
        every_steps: steps after which the next slice is scored.
        slice_rows: rows of a slice; at `rows` or more, a slice is the whole probe.
        smoothing: share of the old value in the smoothed loss; each pass over all rows of a source is one observation.
        threshold: mean forgetting in BPC above which more is replayed and the run sleeps.
    """

    enabled: bool = True
    rows: Annotated[int, SIZE] = 16
    row_bytes: Annotated[int, BYTES] = 256
    every_steps: Annotated[int, COUNT] = 50
    slice_rows: Annotated[int, SIZE] = 4
    smoothing: Annotated[float, SOME_LEFT] = 0.7
    threshold: Annotated[float, AMOUNT_OR_ZERO] = 0.02
