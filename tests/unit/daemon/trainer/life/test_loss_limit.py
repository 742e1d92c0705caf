"""A run ends at a loss: compared at a fixed interval on the same sample, by the weights it is evaluated with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch

from daemon.config.tree import LimitsConfig
from daemon.trainer.life.loss_limit import EVERY_STEPS, LossLimit
from daemon.trainer.measures.held_out_sample import HeldOutSample
from daemon.trainer.state.progress import Limits, Progress

if TYPE_CHECKING:
    from torch import Tensor

    from daemon.events import Event


class Costing:
    """A fixed number of bits for every byte."""

    bits = 3.0

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        assert rows.shape == mask.shape
        return mask.sum(dim=1) * self.bits * math.log(2)


@dataclass
class Blocks:
    """What a source holds out; a block that has gone is empty."""

    sizes: list[int]

    def __len__(self) -> int:
        return len(self.sizes)

    def read(self, index: int) -> tuple[bytes, str, int]:
        return b"x" * self.sizes[index], "book", index


class Stream:
    def __init__(self, *sets: Blocks) -> None:
        self.sets, self.sources = sets, sets

    def held_out(self, index: int) -> Blocks:
        return self.sets[index]


class Reported:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def point(self, metric: str, step: int, value: float) -> None:
        raise AssertionError(metric)


def sample(*sets: Blocks, most: int = 64) -> HeldOutSample:
    stream: Any = Stream(*sets)
    return HeldOutSample(stream, torch.device("cpu"), most=most)


def test_a_sample_is_spread_over_all_sources_and_counts_bytes_once() -> None:
    brain: Any = Costing()
    some = sample(Blocks([4096] * 30), Blocks([100] * 10), most=8)
    assert some.num_bytes == 6 * 4096 + 2 * 100
    assert some.bpc(brain) == pytest.approx(3.0)
    assert sample(Blocks([5, 0, 7])).num_bytes == 12
    assert sample(Blocks([])).bpc(brain) is None


@pytest.fixture
def made() -> tuple[LossLimit, Costing, Progress, Reported, Limits]:
    brain, reported, progress = Costing(), Reported(), Progress()
    limits = Limits.from_here(LimitsConfig(held_out_bpc=2.0), progress)
    fake: Any = brain
    limit = LossLimit(limits, lambda: sample(Blocks([64])), brain=fake, clock=progress, report=reported)
    return limit, brain, progress, reported, limits


def test_it_is_compared_at_its_steps_and_ends_the_run_once_it_is_low_enough(
    made: tuple[LossLimit, Costing, Progress, Reported, Limits],
) -> None:
    limit, brain, progress, reported, limits = made
    progress.step = EVERY_STEPS - 1
    assert limit.reached() is None
    assert reported.events == []
    progress.step = EVERY_STEPS
    assert limit.reached() is None
    assert limit.reached() is None
    assert [event.message for event in reported.events] == [
        "Held-out BPC 3.000 on a sample; the run ends at 2.000"
    ]
    brain.bits = 1.9
    progress.step = 2 * EVERY_STEPS
    assert limit.reached() == "held-out BPC 1.900"
    assert limit.reached() == "held-out BPC 1.900"  # until its last checkpoint is saved
    assert limits.target_bpc is None
    assert len(reported.events) == 2


def test_a_target_survives_a_restart_until_it_is_reached() -> None:
    limits = Limits.from_here(LimitsConfig(held_out_bpc=2.0), Progress())
    assert Limits.restored(limits.state()).target_bpc == 2.0
    assert Limits.restored({"target_step": 3}).target_bpc is None
