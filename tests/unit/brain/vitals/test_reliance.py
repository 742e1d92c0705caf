"""Reliance over the rows of steps: a mean over bytes, with what they cost without and with the exact memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from brain.ports import BrainState
from brain.vitals.config import RelianceConfig
from brain.vitals.live_sign import UNSUPPORTED
from brain.vitals.signs.reliance import RelianceSign
from tests.unit.brain.vitals.networks import Network, batch_of, moment, report

if TYPE_CHECKING:
    from torch import Tensor

    from brain.ports import Moment

ROWS, LENGTH = 8, 16
EMPTY = math.nan  # what a replayed row has


class OneMemory(Network):
    """Without an exact memory."""

    def state(self) -> BrainState:
        return BrainState(model={}, learning={}, counters={}, spec={"kind": "network"})


class TwoMemories(OneMemory):
    """Named as one with an exact memory."""

    def __init__(self, *, remembers: bool = True) -> None:
        super().__init__()
        self.remembers = remembers

    def score_remembering(self, rows: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError

    def score_both(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def step(number: int, shares: list[float], *, lengths: list[int] | None = None, brain: Network) -> Moment:
    rows = torch.randint(256, (ROWS, LENGTH), generator=torch.Generator().manual_seed(number))
    batch = batch_of(rows.to(torch.uint8))
    if lengths is not None:
        batch = replace(batch, mask=torch.arange(LENGTH) < torch.tensor(lengths)[:, None])
    share = torch.tensor(shares, dtype=torch.float64)
    seen = replace(
        report(),
        row_loss=torch.full((ROWS,), 2 * math.log(2)),
        row_reliance=share,
        row_mixed_loss=torch.full((ROWS,), math.log(2), dtype=torch.float64).masked_fill(
            share.isnan(), EMPTY
        ),
    )
    return replace(moment(brain, number, report=seen), batch=batch)


def test_it_is_the_mean_over_the_bytes_that_the_memory_read() -> None:
    sign, brain = RelianceSign(RelianceConfig()), TwoMemories()
    lengths = [16, 16, 16, 16, 4, 4, 16, 0]
    shares = [0.25, 0.25, 0.25, 0.25, 1.0, 1.0, EMPTY, EMPTY]
    for number in range(1, 5):
        now = step(number, shares, lengths=lengths, brain=brain)
        sign.observe(now)
    reading = sign.measure(now)
    assert reading.value == pytest.approx((64 * 0.25 + 8 * 1.0) / 72)
    assert reading.samples == 4 * 6
    assert reading.uncertainty is not None
    assert reading.detail["bpc"] == pytest.approx(2.0)
    assert reading.detail["mixed_bpc"] == pytest.approx(1.0)


def test_its_error_is_that_of_a_mean_of_independent_rows_and_nothing_where_all_are_alike() -> None:
    draw, brain = torch.Generator().manual_seed(0), TwoMemories()
    sign, same = RelianceSign(RelianceConfig()), RelianceSign(RelianceConfig())
    for number in range(1, 101):
        sign.observe(step(number, torch.rand(ROWS, generator=draw).tolist(), brain=brain))
        now = step(number, [0.5] * ROWS, brain=brain)
        same.observe(now)
    error = sign.measure(now).uncertainty
    assert error is not None
    assert 0.3 < error / (math.sqrt(1 / 12) / math.sqrt(100 * ROWS)) < 3.0
    assert same.measure(now).uncertainty == pytest.approx(0.0, abs=1e-9)


def test_only_the_newest_rows_count_and_a_restart_keeps_them() -> None:
    sign, brain = RelianceSign(RelianceConfig(window_rows=4 * ROWS)), TwoMemories()
    for number in range(1, 13):
        now = step(number, [0.1 if number <= 8 else 0.7] * ROWS, brain=brain)
        sign.observe(now)
    again = RelianceSign(RelianceConfig(window_rows=4 * ROWS))
    again.load_tensors(sign.state_tensors())
    assert sign.measure(now).value == again.measure(now).value == pytest.approx(0.7)


def test_without_an_exact_memory_it_is_for_another_kind_of_brain() -> None:
    for brain in (OneMemory(), TwoMemories(remembers=False)):
        sign = RelianceSign(RelianceConfig())
        now = replace(step(1, [0.5] * ROWS, brain=brain), report=report())
        sign.observe(now)
        reading = sign.measure(now)
        assert (reading.value, reading.reason) == (None, "a brain of kind network has no exact memory")
        assert reading.detail[UNSUPPORTED] == 1.0


def test_too_few_rows_give_a_reason_and_no_number() -> None:
    sign, brain = RelianceSign(RelianceConfig()), TwoMemories()
    now = step(1, [0.5] * ROWS, brain=brain)
    sign.observe(now)
    reading = sign.measure(now)
    assert (reading.value, reading.reason) == (
        None,
        "insufficient samples: 8 of 16 rows read with the memory",
    )
    assert UNSUPPORTED not in reading.detail
