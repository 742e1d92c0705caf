"""The hand-written gradient and update against autograd and torch.optim; many nets as if each were alone."""

from __future__ import annotations

import copy
from typing import Literal

import pytest
import torch
from torch import Tensor

from brain.models.classifier.config import MLPConfig
from brain.models.classifier.online_mlp import LEAK, OnlineMLP
from brain.plasticity.config import PlasticityConfig

STILL = PlasticityConfig(replacement_rate=0.0)
Activation = Literal["relu", "leaky_relu", "tanh"]


def batch(population: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(population, 7, 4, generator=draw), torch.randn(population, 7, 3, generator=draw)


def learn(net: OnlineMLP, x: Tensor, y: Tensor) -> None:
    trace = net.forward(x)
    net.backward(trace, trace.outputs - y)
    net.update(trace)


def reference(activation: Activation, weights: list[Tensor], biases: list[Tensor], x: Tensor) -> Tensor:
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = x @ weight.T + bias
        if index < len(weights) - 1:
            x = {"relu": x.relu(), "tanh": x.tanh(), "leaky_relu": torch.where(x > 0, x, LEAK * x)}[
                activation
            ]
    return x


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
def test_gradient_and_adam_are_those_of_torch(activation: Activation) -> None:
    config = MLPConfig(sizes=(4, 6, 5, 3), activation=activation, learning_rate=0.01, plasticity=STILL)
    net = OnlineMLP(config, seed=3)
    weights = [weight[0].clone().requires_grad_() for weight in net.weights]
    biases = [bias[0].clone().requires_grad_() for bias in net.biases]
    adam = torch.optim.Adam([*weights, *biases], lr=0.01)
    for step in range(20):
        x, y = batch(seed=step)
        adam.zero_grad()
        (0.5 * (reference(activation, weights, biases, x[0]) - y[0]).square().sum()).backward()  # type: ignore[no-untyped-call]
        adam.step()
        learn(net, x, y)
    for own, theirs in zip([*net.weights, *net.biases], [*weights, *biases], strict=True):
        torch.testing.assert_close(own[0], theirs.detach(), rtol=1e-4, atol=1e-5)


def test_plain_descent() -> None:
    net = OnlineMLP(MLPConfig(sizes=(4, 3), optimizer="sgd", learning_rate=0.1, plasticity=STILL))
    x, y = batch()
    expected = net.weights[0][0] - 0.1 * (net.forward(x).outputs - y)[0].T @ x[0]
    learn(net, x, y)
    torch.testing.assert_close(net.weights[0][0], expected)


def test_each_of_a_population_learns_as_if_alone() -> None:
    config = MLPConfig(sizes=(4, 6, 3), plasticity=PlasticityConfig(replacement_rate=0.0, l2_init=0.1))
    rates = torch.tensor([1.0, 0.5])
    both = OnlineMLP(config, population=2, seed=1, rate_scale=rates)
    alone = []
    for index in range(2):
        one = OnlineMLP(config, seed=1, rate_scale=rates[index : index + 1])
        one.flat.copy_(both.flat[index : index + 1])
        assert one.start is not None
        one.start.copy_(one.flat)
        alone.append(one)
    for step in range(10):
        x, y = batch(2, seed=step)
        learn(both, x, y)
        for index, one in enumerate(alone):
            learn(one, x[index : index + 1], y[index : index + 1])
    for index, one in enumerate(alone):
        torch.testing.assert_close(both.flat[index], one.flat[0])


def test_a_renewed_unit_is_at_step_zero_again() -> None:
    config = MLPConfig(
        sizes=(4, 6, 3), learning_rate=0.01, plasticity=PlasticityConfig(replacement_rate=1e-9)
    )
    net = OnlineMLP(config)
    for step in range(30):
        learn(net, *batch(seed=step))
    chosen = torch.zeros(1, 6, dtype=torch.bool)
    chosen[0, 2] = True
    net.recycling.renew_units("hidden.0", chosen)
    before = net.flat.clone()
    learn(net, *batch(seed=50))
    moved = net.named(net.flat - before)
    # Adam's first step is the whole rate for every weight; an old age would make it many times that.
    assert float(moved["layers.1.weight"][0, :, 2].abs().max()) == pytest.approx(0.01, rel=1e-3)
    assert float(moved["layers.0.weight"][0, 2].abs().max()) == 0.0  # nothing reads it yet


def test_l2_init_brings_an_idle_net_back_to_its_beginning() -> None:
    config = MLPConfig(
        sizes=(4, 6, 3), learning_rate=0.1, plasticity=PlasticityConfig(replacement_rate=0.0, l2_init=1.0)
    )
    net = OnlineMLP(config)
    start = net.flat.clone()
    net.flat.add_(1.0)
    x, _ = batch()
    for _ in range(100):
        trace = net.forward(x)
        net.backward(trace, torch.zeros_like(trace.outputs))
        net.update(trace)
    torch.testing.assert_close(net.flat, start, atol=1e-3, rtol=0)


def test_shrink_and_perturb_runs_when_it_is_due() -> None:
    plasticity = PlasticityConfig(replacement_rate=0.0, shrink=0.5, perturb=0.1, perturb_every_steps=3)
    net = OnlineMLP(MLPConfig(sizes=(4, 6, 3), plasticity=plasticity))
    x, _ = batch()
    norms = []
    for _ in range(6):
        trace = net.forward(x)
        net.backward(trace, torch.zeros_like(trace.outputs))
        net.update(trace)
        norms.append(float(net.weights[0].norm()))
    assert norms[0] == norms[1] > norms[2] == norms[3] == norms[4] > norms[5]


def test_two_of_a_seed_are_equal_and_draw_nothing_from_the_global_state() -> None:
    before = torch.get_rng_state()
    config = MLPConfig(sizes=(4, 6, 3), plasticity=PlasticityConfig(replacement_rate=0.3, maturity_steps=1))
    nets = [OnlineMLP(config, seed=5) for _ in range(2)]
    for step in range(20):
        for net in nets:
            learn(net, *batch(seed=step))
    assert torch.equal(nets[0].flat, nets[1].flat)
    assert torch.equal(before, torch.get_rng_state())
    assert copy.copy(config) == config


def test_a_config_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="sizes"):
        MLPConfig(sizes=(4,))
    with pytest.raises(ValueError, match="learning_rate"):
        MLPConfig(sizes=(4, 2), learning_rate=0.0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_network_without_a_rate_stays_as_it_is_beside_one_that_learns(
    optimizer: Literal["adam", "sgd"],
) -> None:
    eager = PlasticityConfig(
        replacement_rate=0.9, maturity_steps=0, l2_init=0.5, shrink=0.2, perturb=0.5, perturb_every_steps=1
    )
    config = MLPConfig(sizes=(4, 6, 3), optimizer=optimizer, learning_rate=0.05, plasticity=eager)
    net = OnlineMLP(config, population=2, seed=1, rate_scale=torch.tensor([0.0, 1.0]))
    before = net.flat.clone()
    for step in range(5):
        learn(net, *batch(2, seed=step))
    assert torch.equal(net.flat[0], before[0])
    assert not torch.equal(net.flat[1], before[1])
