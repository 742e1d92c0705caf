"""The learner of the reflex: its gradient, what a step moves, how rare a feature is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from brain.averaging.config import AveragingConfig
from brain.models.reflex.config import ReflexConfig
from brain.models.reflex.reflex_learner import DOCUMENTS, FEATURES, ROWS, ReflexLearner, with_other
from brain.optim.config import OptimizerConfig

TEXTS = [b"open the door", b"shut the window", b"open a window"]
TARGET = torch.eye(2)[[0, 1, 0]]


def learner(*, averaging: bool = True, seed: int = 0, **settings: Any) -> ReflexLearner:
    config = ReflexConfig(**{"hidden_size": 6, "num_buckets": 512, "max_labels": 3} | settings)
    optimizer = OptimizerConfig(averaging=AveragingConfig(every_steps=1 if averaging else 0))
    return ReflexLearner(config, optimizer=optimizer, seed=seed, device=torch.device("cpu"))


def taught(own: ReflexLearner, steps: int = 3) -> ReflexLearner:
    for _ in range(steps):
        bag, _ = own.texts(TEXTS)
        own.update(own.gradient(own.read(bag, drop=True), TARGET), rate=3e-3)
        own.count(bag, len(TEXTS))
    return own


def test_the_gradient_is_that_of_autograd() -> None:
    own = taught(learner())
    _, read = own.texts(TEXTS)
    for name, weight in own.weights.items():
        own.weights[name] = weight.double().requires_grad_()
    exact = type(read)(read.used, read.amount.double())
    logits = with_other(own.logits(exact, 2))
    loss = -(logits.log_softmax(1)[:, :2] * TARGET).sum(1).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found = own.gradient(exact, TARGET.double())
    grads = {name: weight.grad for name, weight in own.weights.items()}
    rows = grads.pop(ROWS)
    assert rows is not None
    torch.testing.assert_close(found.rows, rows[read.used])
    for name, grad in grads.items():
        assert grad is not None
        torch.testing.assert_close(found.others[name], grad[: len(found.others[name])])


def test_a_step_moves_the_rows_that_were_read_and_no_output_of_a_label_to_come() -> None:
    own = learner(feature_dropout=0.0)
    before = {name: weight.clone() for name, weight in own.weights.items()}
    _, read = own.texts(TEXTS, drop=True)
    own.update(
        own.gradient(read, TARGET), rate=3e-3
    )  # outputs begin at zero, so rows follow in the second step
    own.update(own.gradient(read, TARGET), rate=3e-3)
    moved = (own.weights[ROWS] != before[ROWS]).any(dim=1).nonzero().flatten().tolist()
    assert set(moved) <= set(read.used.tolist())
    assert moved
    assert not own.weights["output.weight"][2].any()
    assert own.weights["output.weight"][:2].any(dim=1).all()


def test_a_rare_feature_counts_for_more() -> None:
    own = learner(hidden_size=1)
    bag, _ = own.texts([b"the door", b"the window", b"the wall"])
    own.count(bag, 3)
    assert float(own.frequency[DOCUMENTS]) == 3.0
    assert float(own.frequency[FEATURES].max()) >= 3.0
    one, read = own.texts([b"the wall"])
    often = own.frequency[FEATURES][read.used]
    amount = read.amount[0]
    assert float(amount[often == often.max()].mean()) < float(amount[often == often.min()].mean())
    assert len(one) == len(read.used)


def test_features_are_left_out_by_chance_and_the_same_ones_after_a_restart() -> None:
    own, other = learner(), learner(seed=5)
    bag, dropped = own.texts(TEXTS, drop=True)
    whole = learner(feature_dropout=0.0).read(bag, drop=True)
    assert 0.5 < float((dropped.amount == 0).sum() - (whole.amount == 0).sum()) / len(bag) < 0.9
    other.take_counters(own.counters())
    assert torch.equal(other.read(bag, drop=True).amount, dropped.amount)


def test_what_was_never_read_says_nothing_of_a_text() -> None:
    own = learner(feature_dropout=0.0)
    bag, known = own.texts(TEXTS)
    assert not known.amount.any()
    own.count(bag, 2)
    assert own.texts([b"open the door"])[1].amount.all()
    assert (own.texts([b"zzz"])[1].amount == 0).sum() > 3


def test_the_stable_average_is_the_mean_of_what_was_learned() -> None:
    own, seen = learner(), []
    for _ in range(4):
        taught(own, 1)
        seen.append(own.weights["output.bias"].clone())
    torch.testing.assert_close(own.stable["output.bias"], torch.stack(seen).mean(0))
    assert not torch.equal(
        own.logits(own.texts(TEXTS)[1], 2, weights="stable"), own.logits(own.texts(TEXTS)[1], 2)
    )
    assert learner(averaging=False).stable == {}


def test_a_long_gradient_is_shortened() -> None:
    own, other = learner(), learner()
    _, read = own.texts(TEXTS, drop=True)
    gradient = own.gradient(read, TARGET * 100.0)
    assert gradient.norm > 10.0
    own.update(gradient, rate=1e-3)
    halved = other.gradient(read, TARGET * 50.0)
    other.update(halved, rate=1e-3)
    assert float(own.moments["output.bias"][0].norm()) == pytest.approx(
        float(other.moments["output.bias"][0].norm()), rel=0.1
    )
