"""The tiers of replay: recent, balanced, badly predicted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.memory.policies.policy import SlotTable
from brain.memory.policies.tiers import Tiers
from brain.memory.tiers.draws_ahead import WeightedBlocks, capped

CAPACITY = 200
RESERVOIR = 180


def offer(policy: Tiers, table: SlotTable, source: list[int], loss: float = 1.0, first_row: int = 0) -> None:
    """Place items whose row numbers count on from `first_row`."""
    losses = np.full(len(source), loss, np.float32)
    slots = policy.place(source=np.array(source), loss=losses)
    kept = slots >= 0
    table.row[slots[kept]] = (first_row + np.arange(len(source)))[kept]
    table.loss[slots[kept]], table.source[slots[kept]] = losses[kept], np.array(source)[kept]
    table.num_items = max(table.num_items, int(slots.max()) + 1)


def filled(sources: list[list[int]], capacity: int = CAPACITY, seed: int = 1) -> tuple[Tiers, SlotTable]:
    table = SlotTable.empty(capacity)
    policy = Tiers(table, seed)
    row = 0
    for step in sources:
        offer(policy, table, step, first_row=row)
        row += len(step)
    return policy, table


def test_the_newest_tenth_is_always_there_once_the_table_is_full() -> None:
    _, table = filled([[0] * 7] * 100)
    assert sorted(table.row[RESERVOIR:]) == list(range(680, 700))
    assert len(set(table.row.tolist())) == CAPACITY  # an item is in one tier at a time


def test_every_source_gets_the_same_room_whatever_its_share() -> None:
    _, table = filled([[0] * 10] * 300 + [[1] * 10] * 30 + [[2] * 10] * 9 + [[0] * 10] * 100)
    counts = np.bincount(table.source[:RESERVOIR], minlength=3)
    assert counts.tolist() == pytest.approx([60, 60, 60], abs=4)


def test_a_sources_room_is_a_uniform_sample_of_what_it_offered() -> None:
    kept = np.zeros(400)
    for seed in range(60):
        _, table = filled([[0] * 10] * 40, capacity=100, seed=seed)
        kept[table.row[:90]] += 1
    first, second = kept[:180].mean(), kept[180:360].mean()
    assert first == pytest.approx(second, rel=0.15)


def test_draws_come_from_the_tiers_by_their_shares_and_evenly_over_sources() -> None:
    # A fresh table: 180 of one source, 20 of another.
    policy, table = filled([[0] * 18] * 10 + [[1] * 2] * 10)
    drawn = np.concatenate([policy.draw(7) for _ in range(3000)])
    share = np.bincount(table.source[drawn[drawn < RESERVOIR]], minlength=2) / len(drawn)
    assert (drawn >= RESERVOIR).mean() == pytest.approx(0.1 + 0.1 * 0.1, abs=0.02)
    assert share[0] == pytest.approx(0.8 + 0.09, abs=0.02)  # the reservoir region holds source 0 alone
    policy, table = filled([[0] * 8, [1, 1]] * 18 + [[0]] * 20)
    drawn = np.concatenate([policy.draw(7) for _ in range(3000)])
    # 80 % evenly over both sources, ring and priority as they come (the ring is all source 0).
    assert (table.source[drawn] == 1).mean() == pytest.approx(0.4 + 0.1 * 0.18, abs=0.03)


def test_what_is_badly_predicted_comes_back_more_often_but_at_most_ten_times() -> None:
    table = SlotTable.empty(1000)
    policy = Tiers(table, 4)
    offer(policy, table, [0] * 1000, loss=0.01)
    policy.update(np.array([5]), np.array([50.0], np.float32))
    table.loss[5] = 50.0
    drawn = np.concatenate([policy.draw(50) for _ in range(4000)])
    times_uniform = (drawn == 5).mean() * 1000
    assert times_uniform == pytest.approx(0.1 * 10 + 0.8 / 0.9, rel=0.15)


@given(
    st.lists(st.sampled_from([1e-3, 1.0, 2.0, 1e6]) | st.floats(0, 1e6, allow_nan=False), max_size=60),
    st.integers(0, 300),
)
@settings(max_examples=200, deadline=None)
def test_no_weight_is_above_ten_times_the_mean(values: list[float], num_zeros: int) -> None:
    given = np.array([*values, *[0.0] * num_zeros, 0.0])
    weights = capped(given)
    assert (np.diff(weights[np.argsort(given, kind="stable")]) >= 0).all()
    assert weights.max() <= 10 * weights.mean() * (1 + 1e-9)
    assert (weights <= given).all() or (weights == 1.0).all()  # cut, or as good as without any weight


def test_a_loss_that_is_no_number_weighs_nothing() -> None:
    assert capped(np.array([np.nan, 1.0, 1.0])).tolist() == [0.0, 1.0, 1.0]
    assert capped(np.array([np.nan, 0.0])).tolist() == [1.0, 1.0]


def test_draws_ahead_are_not_drawn_again() -> None:
    def weigh(first: int, end: int) -> np.ndarray:
        return np.arange(first, end, dtype=np.float64)

    blocks = WeightedBlocks(weigh, np.random.SeedSequence(3))
    drawn = blocks.draw(5, 0, 1000)
    twin = WeightedBlocks(weigh, np.random.SeedSequence(9))
    twin.load(json.loads(json.dumps(blocks.state())))
    assert drawn.min() >= 0
    np.testing.assert_array_equal(blocks.draw(700, 0, 900), twin.draw(700, 0, 900))


@pytest.mark.parametrize("capacity", [1, 2, 9, 10, 11, 40])
def test_a_small_memory_takes_more_items_than_it_holds(capacity: int) -> None:
    policy, table = filled([[0, 1, 2] * 9] * 5, capacity=capacity)
    assert table.num_items == capacity
    drawn = policy.draw(50)
    assert drawn.min() >= 0
    assert drawn.max() < capacity


def test_another_capacity_takes_the_items_over() -> None:
    policy, table = filled([[0, 0, 1]] * 100)
    for capacity in (100, 400):
        wanted = SlotTable.empty(capacity)
        kept = min(capacity, table.num_items)
        for column in ("row", "loss", "source"):
            getattr(wanted, column)[:kept] = getattr(table, column)[:kept]
        wanted.num_items = kept
        other = Tiers(wanted, 0)
        other.load(policy.state())
        other.resized()
        for first in range(0, 400, 4):
            offer(other, wanted, [0, 1, 1, 2], first_row=1000 + first)
            assert other.draw(9).max() < wanted.num_items
        assert wanted.num_items == capacity
