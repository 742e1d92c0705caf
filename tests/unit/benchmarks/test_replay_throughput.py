"""What replay costs is measured on the memory that the trainer uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import replay_throughput
from benchmarks.replay_throughput import PAIR, STEP, memory_round, new_rows, numpy_round, seconds_a_round
from brain.memory.replay import ReplayMemory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_round_draws_renews_and_adds_as_a_step_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_throughput, "CAPACITY", 100)
    memories: list[ReplayMemory] = []
    create = ReplayMemory.create

    def keep(*arguments: object, **named: object) -> ReplayMemory:
        memories.append(create(*arguments, **named))  # type: ignore[arg-type]
        return memories[-1]

    monkeypatch.setattr(ReplayMemory, "create", keep)
    with memory_round(STEP) as one:
        (memory,) = memories
        assert len(memory) == 100
        seen = memory.num_seen
        one(new_rows(STEP))
        assert memory.num_seen == seen + STEP.added
        losses = memory.sample(200).loss
        assert np.any(losses != np.float32(2.0))  # those drawn have a new loss


def test_by_hand_the_ring_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_throughput, "CAPACITY", 30)
    one = numpy_round(STEP)
    for _ in range(3):
        one(new_rows(STEP))


def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "peer.py"
    program.write_text("raise SystemExit('no such peer')")
    for name, value in {"CAPACITY": 100, "REPEATS": 1, "PROGRAM": program}.items():
        monkeypatch.setattr(replay_throughput, name, value)
    found, skipped, ours = seconds_a_round(PAIR, 3)
    assert set(found) == {"ours", "numpy by hand, uniform"}
    assert "no such peer" in skipped["cpprb"]
    assert ours == [found["ours"]]
