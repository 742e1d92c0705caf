"""Rows in memory: what is drawn was added, evenly or by priority, at most a block late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from brain.models.classifier.row_replay import MOST_TIMES_UNIFORM, RowReplay

if TYPE_CHECKING:
    from numpy.typing import NDArray


def row(number: int) -> NDArray[np.uint8]:
    return np.array([number // 256, number % 256, 7], np.uint8)


def replay_of(count: int, *, capacity: int = 100, prioritised: bool = False, seed: int = 0) -> RowReplay:
    replay = RowReplay(
        capacity=capacity, row_bytes=3, batch_size=10, prioritised=prioritised, ahead=8, seed=seed
    )
    for number in range(count):
        replay.add(row(number))
    return replay


def numbers(replay: RowReplay, batches: int) -> NDArray[np.int64]:
    drawn = [replay.sample()[0].copy() for _ in range(batches)]
    found = np.concatenate(drawn).astype(np.int64)
    assert bool((found[:, 2] == 7).all())
    return found[:, 0] * 256 + found[:, 1]


def test_what_is_drawn_is_what_was_added_evenly() -> None:
    found = np.bincount(numbers(replay_of(50), 800), minlength=50)
    assert len(found) == 50
    assert found.min() > 100  # 160 expected of each, a standard deviation of 12.6
    assert found.max() < 220


def test_the_oldest_rows_make_room() -> None:
    replay = replay_of(357)
    assert set(numbers(replay, 400).tolist()) == set(range(257, 357))
    assert replay.num_items == 100


def test_a_row_can_be_drawn_from_the_next_block_on() -> None:
    replay = replay_of(4)
    assert set(numbers(replay, 1).tolist()) <= {0, 1, 2, 3}
    for number in range(4, 90):
        replay.add(row(number))
    assert max(numbers(replay, 7).tolist()) < 4  # drawn ahead
    assert max(numbers(replay, 8).tolist()) > 4


def test_slots_say_where_a_row_lies() -> None:
    replay = replay_of(60)
    rows, slots = replay.sample()
    assert (rows[:, 1] == slots).all()


@pytest.mark.parametrize(("outlier", "expected"), [(4.0, 4 / 102), (1e6, MOST_TIMES_UNIFORM / 100)])
def test_priorities_weigh_and_are_capped(outlier: float, expected: float) -> None:
    replay = replay_of(100, prioritised=True)
    numbers(replay, 8)
    replay.update(np.arange(100), np.full(100, 1.0, np.float32))
    replay.update(np.array([3]), np.array([outlier], np.float32))
    replay.update(np.array([5]), np.array([0.0], np.float32))
    found = np.bincount(numbers(replay, 1600), minlength=100) / 16000
    assert found[3] == pytest.approx(expected, rel=0.15)
    assert found[5] < found[10]


def test_a_new_row_has_the_highest_priority() -> None:
    replay = replay_of(90, prioritised=True)
    numbers(replay, 8)
    replay.update(np.arange(90), np.full(90, 0.1, np.float32))
    replay.update(np.array([0]), np.array([0.9], np.float32))
    replay.add(row(90))
    found = np.bincount(numbers(replay, 800), minlength=91)
    assert found[90] > 4 * found[10]


def test_two_of_a_seed_draw_alike() -> None:
    assert numbers(replay_of(40, seed=3), 20).tolist() == numbers(replay_of(40, seed=3), 20).tolist()
    assert numbers(replay_of(40, seed=3), 20).tolist() != numbers(replay_of(40, seed=4), 20).tolist()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="nothing to sample"):
        replay_of(0).sample()
    with pytest.raises(ValueError, match="capacity"):
        RowReplay(capacity=4, row_bytes=3, batch_size=2)
