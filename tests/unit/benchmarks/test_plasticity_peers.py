"""Self-normalised resets and spectral regularisation do what their papers say."""

from __future__ import annotations

import pytest
import torch

from benchmarks.lasting_plasticity import ARMS, learn, new_brain, source
from benchmarks.peers.plasticity import (
    ResettingMLP,
    SelfNormalisedResets,
    SilentTimes,
    SpectralMLP,
    SpectralRegularisation,
)
from brain.growth.site import Site
from brain.models.classifier.config import MLPConfig
from brain.plasticity.unit_slices import UnitSlices

TEXT = torch.tensor(list(b"def f(x):\n    return x + 1\n" * 40), dtype=torch.uint8)


def fire(silent: SilentTimes, *times: int) -> None:
    """Let the only unit fire after each of these numbers of steps."""
    for time in times:
        for _ in range(time - 1):
            assert not bool(silent.observe(torch.tensor([False])))
        silent.observe(torch.tensor([True]))


def steps_to_reset(silent: SilentTimes) -> int:
    return next(step for step in range(1, 100) if bool(silent.observe(torch.tensor([False]))))


@pytest.mark.parametrize(
    ("times", "rejected", "too_long"),
    [
        ([1] * 10, 0.05, 2),  # it always fired
        ([3] * 10, 0.05, 4),
        ([2] * 9 + [7], 0.1, 3),  # one time in ten was at least 3
        ([2] * 9 + [7], 0.05, 8),
    ],
)
def test_a_unit_is_reset_once_it_is_silent_for_longer_than_its_own_history(
    times: list[int], rejected: float, too_long: int
) -> None:
    silent = SilentTimes((1,), rejected=rejected, first=50, most=60)
    fire(silent, *times)
    silent.renew()
    assert steps_to_reset(silent) == too_long


def test_before_there_is_a_history_a_unit_has_the_first_length() -> None:
    assert steps_to_reset(SilentTimes((1,), rejected=0.05, first=7, most=60)) == 7


def test_a_unit_without_a_history_is_given_twice_the_time_up_to_the_most() -> None:
    silent = SilentTimes((1,), rejected=0.05, first=7, most=20)
    lengths = []
    for _ in range(3):
        silent.renew()
        lengths.append(int(silent.too_long))
    assert lengths == [14, 20, 20]


def test_each_unit_has_a_history_of_its_own() -> None:
    silent = SilentTimes((2,), rejected=0.05, first=50, most=60)
    for step in range(20):
        silent.observe(torch.tensor([True, step % 4 == 3]))
    silent.renew()
    assert silent.too_long.tolist() == [2, 5]


def test_a_reset_unit_begins_anew_and_no_other_changes() -> None:
    weights = {"in": torch.ones(2, 3), "out": torch.ones(4, 2)}
    moments = {name: (torch.ones_like(weight),) for name, weight in weights.items()}
    site = Site(units=2, incoming=("in",), outgoing=("out",))
    slices = UnitSlices(weights=weights, moments=moments, spread={"in": 0.5})
    peer = SelfNormalisedResets({"s": site}, slices, rejected=0.05, every_steps=4, most=60)
    fired = {"s": torch.tensor([False, True])}
    assert [peer.follow(fired) for _ in range(4)] == [0, 0, 0, 1]
    assert not torch.equal(weights["in"][0], torch.ones(3))
    assert weights["out"][:, 0].tolist() == [0.0] * 4
    assert moments["in"][0][0].tolist() == [0.0] * 3
    assert torch.equal(weights["in"][1], torch.ones(3))
    assert torch.equal(weights["out"][:, 1], torch.ones(4))


@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_gradient_is_that_of_the_penalty(power: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 3, dtype=torch.float64).requires_grad_()
    (0.1 * (torch.linalg.matrix_norm(weight, 2) ** power - 1.0) ** 2).backward()
    peer = SpectralRegularisation(strength=0.1, power=power)
    for _ in range(200):
        found = peer.gradient("w", weight.detach())
    assert weight.grad is not None
    torch.testing.assert_close(found, weight.grad)


def test_known_answers_of_a_diagonal_matrix_and_of_a_bias() -> None:
    peer = SpectralRegularisation(strength=1.0)
    for _ in range(60):
        found = peer.gradient("w", torch.diag(torch.tensor([3.0, 0.5])))
    # d/dσ (σ² − 1)² = 4 σ (σ² − 1) at σ = 3
    torch.testing.assert_close(found, torch.diag(torch.tensor([96.0, 0.0])))
    # d/db ‖b‖⁴ = 4 ‖b‖² b
    assert peer.gradient("bias", torch.tensor([3.0, 4.0])).tolist() == [300.0, 400.0]


def test_weights_that_follow_it_come_to_a_largest_singular_value_of_1() -> None:
    weight = torch.nn.Parameter(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    SpectralRegularisation(strength=0.1).attach({"w": weight})
    for _ in range(300):
        (0.0 * weight).sum().backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        with torch.no_grad():
            weight.sub_(0.05 * weight.grad)
        weight.grad = None
    assert float(torch.linalg.matrix_norm(weight.detach(), 2)) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("name", ["self-normalised resets", "spectral regularisation"])
def test_a_brain_learns_on_with_each_peer_and_otherwise_than_without(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is silent for a step is reset.
    monkeypatch.setattr("benchmarks.lasting_plasticity.RESET_EVERY_STEPS", 1)
    batches = list(source(TEXT, 0, 30, 7))
    losses = {}
    for arm in (name, "naive"):
        brain = new_brain(0, ARMS[arm].plasticity)
        with torch.no_grad():
            brain.network.get_parameter("blocks.0.mlp.into.weight")[3].zero_()  # a unit that never fires
        losses[arm] = learn(brain, batches, ARMS[arm].peer(brain, 0))
        assert (brain.counters["renewed"] > 0) == (name == arm == "self-normalised resets")
    assert bool(losses[name].isfinite().all())
    assert losses[name][-1] < losses[name][0]
    assert not torch.equal(losses[name], losses["naive"])


def test_nets_side_by_side_are_reset_and_regularised_each_by_itself() -> None:
    config = MLPConfig(sizes=(3, 4, 1), learning_rate=0.01)
    examples = torch.randn(3, 1, 3, generator=torch.Generator().manual_seed(0))
    resetting = ResettingMLP(config, rejected=0.05, every_steps=5, population=3)
    resetting.biases[0].fill_(100.0)
    resetting.biases[0][1, 2] = -100.0  # the only unit that never fires
    spectral = SpectralMLP(config, strength=0.1, population=3)
    before = spectral.weights[0].clone()
    for _ in range(5):
        for net in (resetting, spectral):
            trace = net.forward(examples)
            net.backward(trace, torch.zeros_like(trace.outputs))
            net.update(trace)
    assert (resetting.weights[1] == 0.0).nonzero().tolist() == [[1, 0, 2]]
    assert float(resetting.biases[0][1, 2]) == 0.0
    assert not torch.equal(spectral.weights[0], before)
    for index in range(3):
        alone = SpectralRegularisation(strength=0.1)
        for _ in range(200):
            wanted = alone.gradient("w", before[index])
            found = spectral.spectral.gradient("layers.0.weight", before)
        torch.testing.assert_close(found[index], wanted, atol=1e-4, rtol=1e-3)
