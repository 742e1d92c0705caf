"""The loss of the newest steps, a mean over their bytes."""

from __future__ import annotations

import math

import pytest
import torch

from brain.ports import StepReport
from daemon.trainer.steps.recent_loss import STEPS, RecentLoss


def step(bpc: float, num_bytes: int) -> StepReport:
    return StepReport(
        loss=bpc * math.log(2),
        replay_loss=None,
        num_bytes=num_bytes,
        row_loss=torch.zeros(1),
        grad_norm=0.0,
        learning_rate=0.0,
        applied=True,
    )


def test_each_byte_counts_alike_and_counts_are_left_as_they_are() -> None:
    recent = RecentLoss()
    recent.follow(step(4.0, 100), {"mixed_bpc": 3.0, "examples": 1.0})
    found = recent.follow(step(2.0, 300), {"mixed_bpc": 1.0, "examples": 2.0})
    assert found == pytest.approx({"recent_bpc": 2.5, "mixed_bpc": 1.5, "examples": 2.0})


def test_only_the_newest_steps_count() -> None:
    recent = RecentLoss()
    recent.follow(step(1000.0, 1), {})
    for _ in range(STEPS):
        found = recent.follow(step(2.0, 10), {})
    assert found == pytest.approx({"recent_bpc": 2.0})


@pytest.mark.parametrize("asleep", [step(math.nan, 0), step(math.nan, 8)], ids=["asleep", "not finite"])
def test_a_step_without_a_loss_counts_for_nothing(asleep: StepReport) -> None:
    recent = RecentLoss()
    recent.follow(step(2.0, 10), {})
    assert recent.follow(asleep, {"examples": 1.0}) == {"examples": 1.0}
    assert recent.follow(step(4.0, 10), {}) == pytest.approx({"recent_bpc": 3.0})
