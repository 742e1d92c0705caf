"""The replay memory is given another size or policy, or more sources than it has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from brain.memory.config import ReplayConfig
from brain.memory.replay import ReplayMemory

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

T = 16
Policy = Literal["tiers", "reservoir"]


def remember(replay: ReplayMemory, sources: NDArray[np.int64], first: int) -> None:
    numbers = np.arange(first, first + len(sources))
    rows = np.zeros((len(sources), T), np.uint8)
    replay.add(rows, np.full(len(sources), T), sources, numbers, np.ones(len(sources)), first)


@pytest.mark.fault(
    "Replay of another size",
    tried="replay.capacity or replay.policy is changed at a resume, after a source has gone and come back",
    happens="the newest items and an even share of every source continue, the same ones each time",
)
@pytest.mark.parametrize("policy", ["tiers", "reservoir"])
@pytest.mark.parametrize("then", ["tiers", "reservoir"])
@pytest.mark.parametrize("capacity", [1, 12, 60, 400])
def test_it_continues_from_what_was_remembered(
    tmp_path: Path, policy: Policy, then: Policy, capacity: int
) -> None:
    before = ReplayConfig(policy=policy, capacity=60, segment_mib=1)
    replay = ReplayMemory.create(tmp_path / "run", before, item_bytes=T, seed=1)
    for step in range(40):
        remember(replay, np.full(8, step // 8), 8 * step)
    commit, slots = replay.commit(sync=False), replay.slots()
    after = ReplayConfig(policy=then, capacity=capacity, segment_mib=1)
    twins = [ReplayMemory.restore(tmp_path / "run", after, commit, slots) for _ in range(2)]
    for twin in twins:
        assert len(twin) == min(60, capacity)
        for step in range(30):  # sources of which nothing may be left, new ones, and all at once
            remember(twin, np.arange(8) % (step % 8 + 1), 1000 + 8 * step)
            twin.sample(5)
    one, other = twins
    assert one.slots()["row"].tolist() == other.slots()["row"].tolist()
    assert one.sample(20).offset.tolist() == other.sample(20).offset.tolist()


@pytest.mark.fault(
    "Replay of another size",
    tried="every batch holds items of more sources than there is room for",
    happens="each slot holds an item of the source it counts for, and learning continues",
)
def test_more_sources_than_room_are_no_trap(tmp_path: Path) -> None:
    config = ReplayConfig(capacity=31, segment_mib=1)
    replay = ReplayMemory.create(tmp_path / "run", config, item_bytes=T, seed=1)
    random = np.random.default_rng(14)
    for step in range(300):
        remember(replay, random.integers(0, 40, 10), 10 * step)
    assert len(replay) == 31
    again = ReplayMemory.restore(tmp_path / "run", config, replay.commit(sync=False), replay.slots())
    for each in (replay, again):
        remember(each, np.arange(10), 9000)
    assert replay.slots()["source"].tolist() == again.slots()["source"].tolist()
