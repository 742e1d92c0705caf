"""Remembered examples: classes alike, each a fair sample of its past, drawn fairly, resumed exactly."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from brain.models.classifier.example_memory import ExampleMemory

LABELS = torch.zeros(0, dtype=torch.int64)


def memory_of(capacity: int, *, targets: Tensor = LABELS, seed: int = 0) -> ExampleMemory:
    return ExampleMemory(capacity, 1, 2, targets=targets, seed=seed)


def offer(memory: ExampleMemory, values: list[int], label: int) -> None:
    rows = torch.tensor(values, dtype=torch.float32)[:, None]
    memory.add(rows, torch.full((len(values),), label), rows.expand(-1, 2))


def counts(memory: ExampleMemory) -> list[int]:
    return torch.bincount(memory.targets[: memory.num_items]).tolist()


def test_everything_is_kept_while_there_is_room() -> None:
    memory = memory_of(10)
    offer(memory, [1, 2, 3], 0)
    offer(memory, [4], 1)
    assert memory.num_items == 4
    assert memory.examples[:4, 0].tolist() == [1, 2, 3, 4]
    assert memory.logits[:4, 1].tolist() == [1, 2, 3, 4]


def test_a_rare_class_takes_from_the_largest() -> None:
    memory = memory_of(30)
    offer(memory, list(range(300)), 0)
    offer(memory, list(range(12)), 1)
    assert counts(memory) == [18, 12]
    offer(memory, list(range(100)), 2)
    offer(memory, list(range(100)), 1)
    assert sum(counts(memory)) == 30
    assert max(counts(memory)) - min(counts(memory)) <= 2


def test_each_class_is_a_fair_sample_of_its_past() -> None:
    early = 0.0
    for seed in range(60):
        memory = memory_of(20, seed=seed)
        for begin in range(0, 200, 10):
            offer(memory, list(range(begin, begin + 10)), 0)
        early += float((memory.examples[:, 0] < 100).float().mean()) / 60
    # 1,200 draws of a half: three standard deviations are .043.
    assert early == pytest.approx(0.5, abs=0.045)


def test_draws_are_uniform_and_balanced_ones_by_class() -> None:
    memory = memory_of(100)
    offer(memory, list(range(90)), 0)
    offer(memory, list(range(10)), 1)
    plain = memory.targets[memory.sample(4000)].float().mean()
    balanced = memory.targets[memory.sample_balanced(4000)].float().mean()
    assert float(plain) == pytest.approx(0.1, abs=0.02)
    assert float(balanced) == pytest.approx(0.5, abs=0.03)
    offer(memory, [1, 2], 2)
    assert set(memory.targets[memory.sample_balanced(300)].tolist()) == {0, 1, 2}


def test_real_targets_are_one_class() -> None:
    memory = memory_of(4, targets=torch.zeros(0, 2))
    memory.add(torch.ones(9, 1), torch.rand(9, 2), torch.ones(9, 2))
    assert memory.num_items == 4
    assert memory.targets.shape == (4, 2)


def test_half_and_half_equals_the_whole() -> None:
    def go(memory: ExampleMemory, steps: range) -> list[int]:
        drawn = []
        for step in steps:
            offer(memory, [step, step + 1], step % 3)
            drawn += memory.sample(700).tolist() + memory.sample_balanced(5).tolist()
        return drawn

    whole = memory_of(12)
    expected = go(whole, range(30))
    half = memory_of(12)
    start = go(half, range(13))
    tensors = {name: tensor.clone() for name, tensor in half.tensors().items()}
    counters = json.loads(json.dumps(half.counters()))
    resumed = memory_of(12, seed=99)
    resumed.load(tensors, counters)
    assert start + go(resumed, range(13, 30)) == expected
    assert torch.equal(resumed.examples, whole.examples)
