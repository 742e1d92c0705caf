"""The plain loop beside the online learner: the same updates on as many rows, and a fair memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks import online_replay_learner
from benchmarks.online_replay_learner import BATCH_SIZE, CAPACITY, FORMS, PLAIN, PlainLoop, run

if TYPE_CHECKING:
    import pytest


def test_the_plain_loop_learns() -> None:
    torch.manual_seed(0)
    loop = PlainLoop()
    images, labels = torch.eye(64)[:BATCH_SIZE], torch.arange(BATCH_SIZE) % 10
    for _ in range(200):
        loop.learn(images, labels)
    assert torch.equal(loop.net(images).argmax(1), labels)


def test_its_memory_keeps_every_example_of_the_stream_with_one_chance() -> None:
    loop = PlainLoop()
    torch.manual_seed(0)
    for number in range(20 * CAPACITY):
        loop._offer(torch.full((64,), float(number)), torch.tensor(number % 10))
    kept = loop.images[:, 0]
    assert loop.num_seen == 20 * CAPACITY
    assert len(set(kept.tolist())) == CAPACITY
    assert 0.4 < float((kept < 10 * CAPACITY).float().mean()) < 0.6


def test_the_target_is_on_the_median_of_ratios_of_turns_that_followed_on_one_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paces = iter(
        [
            paired
            for ours, plain in ((2.0, 1.0), (30.0, 10.0), (9.0, 10.0))
            for paired in (ours, plain, 1, 1, 1)
        ]
    )
    monkeypatch.setattr(online_replay_learner, "REPEATS", 3)
    monkeypatch.setattr(online_replay_learner, "pace", lambda *_, **__: next(paces))
    monkeypatch.setattr(online_replay_learner, "_avalanche", lambda: ({"Avalanche": 5.0}, {}))
    (result,) = run(long=False)
    assert len(FORMS) == 4
    assert result.ours == 2.0
    assert result.holds
    assert result.peers == {PLAIN: 1.0, "Avalanche": 0.5}
