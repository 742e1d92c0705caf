"""An online net that grows keeps its outputs and its state, and its new units learn from step 0."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from brain.models.classifier.config import MLPConfig
from brain.models.classifier.online_mlp import OnlineMLP
from brain.models.classifier.widening import widened
from brain.plasticity.config import PlasticityConfig

CONFIG = MLPConfig(
    sizes=(4, 5, 6, 3), plasticity=PlasticityConfig(replacement_rate=0.01, maturity_steps=20, l2_init=1e-3)
)


def batch(seed: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, 7, 4, generator=draw), torch.randn(2, 7, 3, generator=draw)


def learn(net: OnlineMLP, steps: range) -> None:
    for step in steps:
        x, y = batch(step)
        trace = net.forward(x)
        net.backward(trace, trace.outputs - y)
        net.update(trace)


def trained(config: MLPConfig = CONFIG) -> OnlineMLP:
    net = OnlineMLP(config, population=2, seed=3)
    learn(net, range(60))
    return net


@pytest.mark.parametrize("layer", [0, 1])
def test_growth_keeps_outputs_and_state(layer: int) -> None:
    net = trained()
    grown = widened(net, layer, 3, seed=9)
    assert grown.config.sizes[layer + 1] == net.config.sizes[layer + 1] + 3
    x, _ = batch(1000)
    torch.testing.assert_close(grown.forward(x).outputs, net.forward(x).outputs, rtol=0, atol=1e-6)
    before, after = (
        net.named(net.flat) | net.learning_tensors(),
        grown.named(grown.flat) | grown.learning_tensors(),
    )
    assert before.keys() == after.keys()
    for name, old in before.items():
        assert torch.equal(after[name][tuple(slice(size) for size in old.shape)], old), name
    added = after[f"layers.{layer}.weight|known"][:, -3:]
    assert not added.any(), "new units begin at step 0"
    assert not after[f"plasticity|hidden.{layer}.age"][:, -3:].any()
    assert after[f"layers.{layer}.weight"][:, -3:].any(), "incoming weights of zero would never learn"


def test_new_units_learn_and_growing_leaves_the_old_net_alone() -> None:
    net = trained()
    kept = copy.deepcopy(net.flat)
    grown = widened(net, 0, 3, seed=9)
    learn(grown, range(60, 70))
    assert torch.equal(net.flat, kept)
    assert grown.weights[1][..., -3:].any(dim=1).float().mean() > 0.8  # one may be dead on these few rows
    assert grown.num_steps == net.num_steps + 10


def test_growth_and_going_on_is_repeatable() -> None:
    one, two = (widened(trained(), 1, 2, seed=9) for _ in range(2))
    learn(one, range(60, 120))
    learn(two, range(60, 120))
    assert torch.equal(one.flat, two.flat)


@pytest.mark.parametrize(
    ("layer", "units", "word"),
    [(2, 1, "no hidden layer 2"), (-1, 1, "no hidden layer -1"), (0, 0, "at least 1")],
)
def test_what_cannot_be_is_refused(layer: int, units: int, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        widened(OnlineMLP(CONFIG), layer, units, seed=0)


def test_a_net_that_counts_no_steps_by_weight_does_not_grow() -> None:
    still = MLPConfig(sizes=(4, 5, 3), plasticity=PlasticityConfig(replacement_rate=0.0))
    with pytest.raises(ValueError, match="replacement_rate"):
        widened(OnlineMLP(still), 0, 1, seed=0)
