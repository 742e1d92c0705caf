"""The online learner remembers what a plain one forgets, sleeps, takes a bad sleep back, resumes exactly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from brain.errors import SpecMismatchError
from brain.models.classifier.config import (
    AverageConfig,
    ConsolidationConfig,
    LearnerConfig,
    MemoryConfig,
    MLPConfig,
)
from brain.models.classifier.online_learner import OnlineLearner
from brain.plasticity.config import PlasticityConfig
from brain.ports import BrainState
from brain.sleep.config import SleepConfig

MLP = MLPConfig(
    sizes=(8, 32, 4),
    learning_rate=3e-3,
    plasticity=PlasticityConfig(replacement_rate=1e-3, maturity_steps=20),
)
CONFIG = LearnerConfig(
    mlp=MLP,
    memory=MemoryConfig(capacity=40, rows=10, updates=2, consistency_weight=0.1, noise=0.05),
    sleep=SleepConfig(steps=20),
    consolidation=ConsolidationConfig(rows=16),
)
CENTRES = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)) * 2.0


def stream(classes: list[int], count: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Batches of 10 around the centres of some classes."""
    draw = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        labels = torch.tensor(classes)[torch.randint(len(classes), (10,), generator=draw)]
        made.append((CENTRES[labels] + torch.randn(10, 8, generator=draw) * 0.5, labels))
    return made


def accuracy(learner: OnlineLearner, classes: list[int]) -> float:
    return sum(float((learner.predict(x) == y).float().mean()) for x, y in stream(classes, 20, seed=9)) / 20


def copied(state: BrainState) -> BrainState:
    return BrainState(
        model={name: tensor.clone() for name, tensor in state.model.items()},
        learning={name: tensor.clone() for name, tensor in state.learning.items()},
        counters=json.loads(json.dumps(dict(state.counters))),
        spec=json.loads(json.dumps(dict(state.spec))),
    )


def everything(learner: OnlineLearner) -> dict[str, Tensor]:
    state = learner.state()
    return {name: tensor.clone() for name, tensor in {**state.model, **state.learning}.items()}


def test_with_nothing_remembered_there_is_nothing_to_dream_of() -> None:
    assert OnlineLearner(CONFIG).sleep().steps == 0


def test_what_came_first_is_kept_where_a_plain_learner_forgets_it() -> None:
    plain = LearnerConfig(mlp=MLP, memory=MemoryConfig(capacity=0, separate_classes=False))
    kept = {}
    for name, config in (("ours", CONFIG), ("plain", plain)):
        learner = OnlineLearner(config)
        for x, y in stream([0, 1], 40) + stream([2, 3], 120, seed=1):
            learner.learn(x, y)
        kept[name] = accuracy(learner, [0, 1])
        assert accuracy(learner, [2, 3]) > 0.9
    assert kept["ours"] > 0.9
    assert kept["plain"] < 0.65


def test_the_report_is_taken_before_learning() -> None:
    learner = OnlineLearner(CONFIG)
    x, y = stream([0, 1], 1)[0]
    expected = learner.outputs(x)
    report = learner.learn(x, y)
    torch.testing.assert_close(report.outputs, expected)
    assert report.loss == pytest.approx(float(torch.nn.functional.cross_entropy(expected, y)))
    assert report.num_updates == 2


def test_units_are_renewed_on_the_way() -> None:
    learner = OnlineLearner(CONFIG)
    assert sum(learner.learn(x, y).num_renewed for x, y in stream([0, 1, 2, 3], 60)) > 0


def test_a_live_example_does_not_push_down_the_classes_of_the_past() -> None:
    learner = OnlineLearner(LearnerConfig(mlp=MLP, memory=MemoryConfig(capacity=0, separate_classes=True)))
    for x, y in stream([0, 1], 10):
        learner.learn(x, y)
    bias = learner.mlp.biases[-1][0]
    before = bias.clone()
    moments = learner.mlp.exp_avg.zero_()
    assert moments is learner.mlp.exp_avg
    for x, y in stream([2], 1):
        learner.learn(x, y)
    assert torch.equal(bias[:2], before[:2])
    assert bias[2] > before[2]
    assert bias[3] < before[3]  # not seen yet: nothing to protect


def test_averages_follow_the_fast_weights() -> None:
    learner = OnlineLearner(replace(CONFIG, averages=AverageConfig(plastic=0.5, stable=0.9)))
    x, y = stream([0], 1)[0]
    start = learner.stable.clone()
    learner.learn(x, y)
    assert not torch.equal(learner.stable, start)
    for x, y in stream([0, 1, 2, 3], 30):
        learner.learn(x, y)
    gap_plastic = float((learner.plastic - learner.mlp.flat).norm())
    gap_stable = float((learner.stable - learner.mlp.flat).norm())
    assert 0 < gap_plastic < gap_stable


def test_sleep_helps_the_memory_and_leaves_the_rate_as_it_was() -> None:
    learner = OnlineLearner(CONFIG)
    for x, y in stream([0, 1], 8) + stream([2, 3], 8, seed=1):
        learner.learn(x, y)
    rate = learner.mlp.rate.clone()
    report = learner.sleep(50)
    assert report.steps == 50
    assert not report.rolled_back
    assert report.loss_after < report.loss_before
    assert torch.equal(learner.mlp.rate, rate)
    assert torch.equal(learner.stable, learner.plastic)


def test_a_sleep_that_harms_is_taken_back() -> None:
    config = LearnerConfig(
        mlp=MLP,
        memory=MemoryConfig(capacity=40),
        sleep=SleepConfig(steps=5),
        consolidation=ConsolidationConfig(rate=3000.0),
    )
    learner = OnlineLearner(config)
    for x, y in stream([0, 1, 2, 3], 60):
        learner.learn(x, y)
    weights = learner.mlp.flat.clone()
    moments = [tensor.clone() for tensor in learner.mlp.moments()]
    report = learner.sleep()
    assert report.rolled_back
    assert torch.equal(learner.mlp.flat, weights)
    assert all(torch.equal(a, b) for a, b in zip(moments, learner.mlp.moments(), strict=True))


def test_a_tiny_rise_of_a_small_loss_is_no_harm() -> None:
    learner = OnlineLearner(replace(CONFIG, memory=MemoryConfig(capacity=40), sleep=SleepConfig(steps=5)))
    for x, y in stream([0, 1, 2, 3], 200):
        learner.learn(x, y)
    report = learner.sleep()
    assert report.loss_before * 1.01 < report.loss_after < report.loss_before + 0.002
    assert not report.rolled_back


def test_half_and_half_equals_the_whole() -> None:
    batches = stream([0, 1], 15) + stream([2, 3], 15, seed=1)

    def go(learner: OnlineLearner, part: slice) -> None:
        for index, (x, y) in enumerate(batches[part]):
            learner.learn(x, y)
            if index % 4 == 3:
                learner.sleep()

    whole = OnlineLearner(CONFIG, seed=1)
    go(whole, slice(0, 30))
    half = OnlineLearner(CONFIG, seed=1)
    go(half, slice(0, 16))
    resumed = OnlineLearner(CONFIG, seed=8)
    resumed.load(copied(half.state()))
    go(resumed, slice(16, 30))
    expected, found = everything(whole), everything(resumed)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert whole.state().counters == resumed.state().counters


def test_another_architecture_is_refused_and_nothing_changes() -> None:
    other = OnlineLearner(LearnerConfig(mlp=MLPConfig(sizes=(8, 16, 4))))
    learner = OnlineLearner(CONFIG)
    before = everything(learner)
    with pytest.raises(SpecMismatchError, match="sizes"):
        learner.load(other.state())
    damaged = copied(learner.state())
    tensors = dict(damaged.learning)
    del tensors["layers.0.bias|exp_avg"]
    with pytest.raises(SpecMismatchError, match=r"layers\.0\.bias\|exp_avg"):
        learner.load(BrainState(model=damaged.model, learning=tensors, counters={}, spec=damaged.spec))
    assert all(torch.equal(before[name], now) for name, now in everything(learner).items())


def test_a_regressor_learns_values() -> None:
    config = LearnerConfig(
        mlp=MLPConfig(sizes=(8, 32, 2), learning_rate=3e-3), task="regress", memory=MemoryConfig(capacity=50)
    )
    learner = OnlineLearner(config)
    losses = []
    for x, _ in stream([0, 1, 2, 3], 200):
        losses.append(learner.learn(x, torch.stack([x[:, 0] * x[:, 1], x[:, 2].abs()], dim=1)).loss)
    assert sum(losses[-20:]) < 0.2 * sum(losses[:20])
    assert learner.predict(x).shape == (10, 2)
    assert not learner.sleep(20).rolled_back
