"""Peers of the digits benchmarks with our number of updates and our activation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmarks import permuted_digits, slowly_changing_regression, split_digits
from benchmarks.continual import BATCH_SIZE, Online, Score, Task, mean_of, score, split_tasks
from benchmarks.rows import ROWS
from benchmarks.split_digits import MLP, OURS, judge_matched, matched
from brain.models.classifier.config import MLPConfig

if TYPE_CHECKING:
    import pytest


def few(seed: int) -> list[Task]:
    """The first two tasks, forty examples each."""
    return [
        Task(train=task.train.take(torch.arange(40)), test=task.test.take(torch.arange(20)))
        for task in split_tasks(seed)[:2]
    ]


def own_score() -> Score:
    return score(lambda seed: Online(OURS, seed=seed, sleep_every_samples=40), few(0), seed=0)


def test_every_peer_makes_at_least_our_updates_by_our_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_digits, "RETRAIN_STEPS", 1)
    monkeypatch.setattr(split_digits, "NUM_TRAIN", 80)
    own = own_score()
    assert own.updates_per_sample > OURS.memory.updates / BATCH_SIZE  # those of sleep count
    makers = matched(OURS, [own])
    for name, make in makers.items():
        if not name.startswith("GDumb"):
            learner = make(0)
            assert isinstance(learner, Online)
            assert learner.learner.config.mlp == MLP
        assert score(make, few(0), seed=0).updates_per_sample >= own.updates_per_sample


def test_the_row_is_judged_on_the_ratio_to_the_best_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_digits, "RETRAIN_STEPS", 1)
    monkeypatch.setattr(split_digits, "NUM_TRAIN", 10)
    own = own_score()
    row = judge_matched("split_digits.x", "accuracy", OURS, [own], few, long=False, leave_out=("ER-ACE",))
    assert row.target == "≥ 1 × best peer"
    assert row.ours == mean_of([own], "accuracy")
    assert not any(name.startswith("ER-ACE") for name in row.peers)
    assert len(row.peers) == 4


def test_matched_peers_have_our_activation() -> None:
    for matched_config in permuted_digits.MATCHED.values():
        assert matched_config.activation == permuted_digits.OURS.activation == "tanh"
    tanh = {name: own for name, own in slowly_changing_regression.LEARNERS.items() if "tanh" in name}
    assert len(tanh) == 5
    rows = {row.name: set(row.beside) for row in ROWS}
    assert rows["slowly_changing_regression.matched"] == set(tanh)
    assert rows["permuted_digits.matched"] == set(permuted_digits.MATCHED)
    both = rows["slowly_changing_regression"] | rows["slowly_changing_regression.matched"] | {"ours"}
    assert both == set(slowly_changing_regression.LEARNERS)
    for own in tanh.values():
        config = own.args[0] if isinstance(own, partial) else own
        assert isinstance(config, MLPConfig)
        assert config.activation == "tanh"
        assert config.learning_rate == slowly_changing_regression.OURS.learning_rate
