"""Every registered replay policy keeps the promises of the port."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from brain.memory.policies import policies
from brain.memory.policies.draws import BLOCK, UniformBlocks
from brain.memory.policies.policy import SlotTable

if TYPE_CHECKING:
    from brain.memory.policies.policy import ReplayPolicy

CAPACITY = 64


def build(name: str, table: SlotTable, seed: int = 3) -> ReplayPolicy:
    return cast("ReplayPolicy", policies.get(name).load()(table, seed))


def play(policy: ReplayPolicy, table: SlotTable, steps: range) -> list[list[int]]:
    """Offer, keep, draw and update; returns every slot that was given or drawn."""
    trace = []
    for step in steps:
        n = step % 9 + 1
        source, loss = np.arange(n) % 3, np.linspace(0.1, 3, n, dtype=np.float32)
        slots = policy.place(source=source, loss=loss)
        kept = slots >= 0
        assert slots.max() < CAPACITY
        table.row[slots[kept]] = step
        table.loss[slots[kept]], table.source[slots[kept]] = loss[kept], source[kept]
        table.num_items = max(table.num_items, int(slots.max()) + 1)
        drawn = policy.draw(n)
        assert drawn.min() >= 0
        assert drawn.max() < table.num_items
        policy.update(drawn, loss)
        trace += [slots.tolist(), drawn.tolist()]
    return trace


@pytest.mark.parametrize("name", policies.names())
def test_a_policy_goes_on_exactly_from_its_state(name: str) -> None:
    table, twin_table = SlotTable.empty(CAPACITY), SlotTable.empty(CAPACITY)
    policy = build(name, table)
    play(policy, table, range(50))
    twin = build(name, twin_table, seed=99)
    for column in ("row", "loss", "source"):
        getattr(twin_table, column)[:] = getattr(table, column)
    twin_table.num_items = table.num_items
    twin.load(json.loads(json.dumps(policy.state())))
    assert play(policy, table, range(50, 250)) == play(twin, twin_table, range(50, 250))
    assert policy.num_seen == twin.num_seen == sum(step % 9 + 1 for step in range(250))


@pytest.mark.parametrize(
    ("name", "digest"), [("reservoir", "d9190a2bbd8c83c0"), ("tiers", "5234c3769eb13a79")]
)
def test_a_stored_run_draws_the_same_slots_in_every_version(name: str, digest: str) -> None:
    table = SlotTable.empty(CAPACITY)
    trace = json.dumps(play(build(name, table), table, range(300)))
    assert hashlib.sha256(trace.encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("name", policies.names())
def test_free_slots_are_taken_first_and_in_order(name: str) -> None:
    policy = build(name, SlotTable.empty(CAPACITY))
    assert policy.place(source=np.zeros(40, np.int64), loss=np.zeros(40, np.float32)).tolist() == list(
        range(40)
    )


@pytest.mark.parametrize("name", policies.names())
def test_a_policy_tells_what_it_is(name: str) -> None:
    assert len(policies.get(name).summary) > 20


def test_blocks_give_the_same_numbers_however_they_are_taken() -> None:
    whole = UniformBlocks(1).take(3 * BLOCK + 5)
    pieces, blocks = [], UniformBlocks(1)
    for n in (1, BLOCK - 1, 7, BLOCK, 2, BLOCK - 4):
        pieces.append(blocks.take(n).copy())
        restored = UniformBlocks(2)
        restored.load(json.loads(json.dumps(blocks.state())))
        blocks = restored
    joined = np.concatenate(pieces)
    np.testing.assert_array_equal(joined, whole[: len(joined)])
