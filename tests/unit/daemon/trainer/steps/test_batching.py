"""How many rows replay, which lanes read, and what the batch looks like."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brain.memory.replay_records import ReplayRows
from daemon.streams.experience import Experience
from daemon.trainer.steps.batching import NO_LANE, assemble, num_lanes, num_replayed, reading_lanes


def test_six_rows_replay_and_a_seventh_in_two_steps_of_five() -> None:
    counts = [num_replayed(step, 32, 0.2) for step in range(50)]
    assert set(counts) == {6, 7}
    assert all(counts[first : first + 5].count(7) == 2 for first in range(0, 50, 5))


@given(
    step=st.integers(0, 10**9),
    rows=st.integers(2, 128),
    fraction=st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5]),
)
def test_a_batch_always_has_the_same_number_of_rows(step: int, rows: int, fraction: float) -> None:
    lanes = reading_lanes(step, rows, fraction)
    assert len(lanes) + num_replayed(step, rows, fraction) == rows
    assert len(set(lanes)) == len(lanes)
    assert all(0 <= lane < num_lanes(rows, fraction) for lane in lanes)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.75])
def test_beside_a_single_row_replay_comes_in_addition(fraction: float) -> None:
    assert all(reading_lanes(step, 1, fraction, 0.2) == [0] for step in range(1000))
    replayed = sum(num_replayed(step, 1, fraction) for step in range(1000))
    assert replayed / (1000 + replayed) == pytest.approx(fraction, abs=0.001)


def test_lanes_rest_in_turn() -> None:
    rests = [0] * num_lanes(32, 0.2)
    for step in range(26 * 5 * 4):
        for lane in set(range(26)) - set(reading_lanes(step, 32, 0.2)):
            rests[lane] += 1
    assert sum(rests) == sum(num_replayed(step, 32, 0.2) - 6 for step in range(26 * 5 * 4))
    assert max(rests) - min(rests) <= 1


@given(step=st.integers(0, 10**6), fraction=st.floats(0.2, 0.5), rows=st.integers(2, 64))
def test_at_a_higher_fraction_more_lanes_rest_in_turn(step: int, fraction: float, rows: int) -> None:
    lanes = reading_lanes(step, rows, fraction, 0.2)
    assert len(lanes) + num_replayed(step, rows, fraction) == rows
    assert all(0 <= lane < num_lanes(rows, 0.2) for lane in lanes)


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_over_many_steps_the_fraction_holds(fraction: float) -> None:
    assert sum(num_replayed(step, 32, fraction) for step in range(1000)) == pytest.approx(
        32_000 * fraction, abs=1
    )


def test_replayed_rows_come_last_without_a_lane_and_from_a_reset_state() -> None:
    experience = Experience(
        bytes=np.arange(8, dtype=np.uint8).reshape(2, 4),
        length=np.array([4, 3]),
        lane=np.array([0, 5]),
        reset=np.array([False, True]),
        source=np.array([0, 1]),
        offset=np.array([0, 64]),
        document=("a", "b"),
    )
    replayed = ReplayRows(
        bytes=np.full((1, 4), 9, dtype=np.uint8),
        length=np.array([2]),
        source=np.array([1]),
        offset=np.array([0]),
        index=np.array([0]),
        loss=np.array([1.0], dtype=np.float32),
        step=np.array([0]),
    )
    batch = assemble(experience, replayed, torch.device("cpu"))
    assert batch.bytes.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [9, 9, 9, 9]]
    assert batch.mask.tolist() == [[True] * 4, [True] * 3 + [False], [True, True, False, False]]
    assert batch.lane.tolist() == [0, 5, NO_LANE]
    assert batch.reset.tolist() == [False, True, True]
    assert batch.source.tolist() == [0, 1, 1]
