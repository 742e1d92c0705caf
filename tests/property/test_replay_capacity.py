"""A replay memory of another capacity or policy continues from what was committed, whatever was in it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from brain.memory.config import ReplayConfig
from brain.memory.policies.tiers import Tiers, ring_of
from brain.memory.replay import ReplayMemory

T = 16
Policy = Literal["tiers", "reservoir"]
POLICY: st.SearchStrategy[Policy] = st.sampled_from(["tiers", "reservoir"])
CAPACITY = st.integers(1, 120)
SOURCES = st.integers(1, 30)


def config(policy: Policy, capacity: int) -> ReplayConfig:
    return ReplayConfig(policy=policy, capacity=capacity, segment_mib=1)


def feed(
    memory: ReplayMemory, num_items: int, num_sources: int, *, first: int = 0, old_share: float = 0.0
) -> None:
    """Numbered items of many sources, some at a time; those of source 0 come first of all."""
    random = np.random.default_rng(num_items)
    for start in range(first, first + num_items, 9):
        numbers = np.arange(start, min(start + 9, first + num_items))
        rows = np.zeros((len(numbers), T), np.uint8)
        rows[:, :8] = numbers.astype("<i8")[:, None].view(np.uint8)
        source = random.integers(0, num_sources, len(numbers))
        source[numbers < first + old_share * num_items] = 0
        memory.add(rows, np.full(len(numbers), T), source, numbers, numbers / 7, start)
        memory.sample(3)


def numbers_in(memory: ReplayMemory) -> list[int]:
    return [int(n) for rows in memory.items(50) for n in rows.offset]


def check(memory: ReplayMemory) -> None:
    """The tiers count what is really there."""
    policy = memory._policy
    if isinstance(policy, Tiers) and policy._begun:
        balanced = policy._balanced
        present, counts = np.unique(memory._table.source[: balanced.size], return_counts=True)
        assert balanced._counts == dict(zip(present.tolist(), counts.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    policy=POLICY, then=POLICY, capacity=CAPACITY, other=CAPACITY, num_items=st.integers(0, 500),
    sources=SOURCES, old_share=st.sampled_from([0.0, 0.3, 0.9]),
)  # fmt: skip
@example(policy="tiers", then="tiers", capacity=31, other=166, num_items=400, sources=19, old_share=0.0)
@example(policy="tiers", then="tiers", capacity=100, other=7, num_items=500, sources=29, old_share=0.3)
def test_it_continues(  # noqa: PLR0917
    policy: Policy, then: Policy, capacity: int, other: int, num_items: int, sources: int, old_share: float
) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "run"
        memory = ReplayMemory.create(home, config(policy, capacity), item_bytes=T, seed=5)
        feed(memory, num_items, sources, old_share=old_share)
        check(memory)
        commit, slots = memory.commit(sync=False), memory.slots()
        held = numbers_in(memory)
        one, twin = (
            ReplayMemory.restore(Path(name) / folder, config(then, other), commit, slots, parents=[home])
            for folder in ("one", "twin")
        )
        kept = numbers_in(one)
        assert len(kept) == min(len(held), other)
        assert set(kept) <= set(held)
        assert len(set(kept)) == len(kept)
        if policy == then == "tiers" and len(held) > other:
            assert kept[-ring_of(other) :] == sorted(held)[-ring_of(other) :]  # the newest, oldest first
        for each in (one, twin):
            feed(each, 300, sources + 3, first=num_items)
            check(each)
        assert one.slots()["row"].tolist() == twin.slots()["row"].tolist()
        assert one.sample(40).index.tolist() == twin.sample(40).index.tolist()
        if num_items + 300 >= other:
            assert len(one) == other


@settings(max_examples=30, deadline=None)
@given(shares=st.lists(st.integers(1, 60), min_size=1, max_size=6), capacity=st.integers(20, 60))
def test_a_smaller_reservoir_keeps_every_source_as_evenly_as_it_can(shares: list[int], capacity: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "run"
        total = sum(shares) + 200
        memory = ReplayMemory.create(home, config("tiers", total), item_bytes=T, seed=5)
        sources = np.concatenate(
            [np.full(share, source) for source, share in enumerate(shares)] + [np.full(200, 9)]
        )
        for part in np.array_split(np.arange(total), 10):
            rows = np.zeros((len(part), T), np.uint8)
            memory.add(rows, np.full(len(part), T), sources[part], part, np.ones(len(part)), 0)
        small = ReplayMemory.restore(
            Path(name) / "small",
            config("tiers", capacity),
            memory.commit(sync=False),
            memory.slots(),
            parents=[home],
        )
        reservoir = small._table.source[: capacity - ring_of(capacity)]
        kept = {source: int((reservoir == source).sum()) for source in [*range(len(shares)), 9]}
        offered = {**dict(enumerate(shares)), 9: 200 - ring_of(capacity)}
        full = [kept[source] for source in kept if kept[source] < offered[source]]
        assert sum(kept.values()) == capacity - ring_of(capacity)
        # Whoever gave something up has as many as the others that did, one more or less, and nobody has more.
        assert max(full) - min(full) <= 1
        assert max(kept.values()) <= max(full)
