"""Perturbational Φ: exact on linear networks, honest about bias, error and scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from brain.vitals.gaussian import minimum_phi, phi_at, stationary_covariance
from brain.vitals.perturbation import (
    linear_dynamics,
    linfoot,
    perturbational_phi,
    phi_at_cut,
    phi_bias,
    transition_moments,
)

Matrix = NDArray[np.float64]


def nudged(
    transition: Matrix, *, rows: int = 16, steps: int = 400, inner_noise: float = 0.0, seed: int = 0
) -> tuple[Matrix, Matrix]:
    generator = np.random.default_rng(seed)
    size = len(transition)
    noise = generator.normal(size=(rows, steps, size))
    deviation = np.zeros_like(noise)
    state = np.zeros((rows, size))
    for step in range(steps):
        private = inner_noise * generator.normal(size=state.shape)
        state = state @ transition.T + noise[:, step] + private
        deviation[:, step] = state
    return deviation, noise


def blocks(across: float) -> Matrix:
    inner = np.array([[0.4, 0.3], [0.3, 0.4]])
    return np.block([[inner, np.full((2, 2), across)], [np.full((2, 2), across), inner]])


def test_linear_network_is_recovered_exactly() -> None:
    transition = blocks(0.1)
    moments = transition_moments(*nudged(transition))
    law = linear_dynamics(moments.gram.sum(0), moments.weight)
    assert np.allclose(law.transition, transition, atol=1e-8)
    assert np.allclose(law.response, np.eye(4), atol=1e-8)
    assert np.allclose(law.residual, 0.0, atol=1e-8)


def test_persistent_network_stays_positive_semi_definite() -> None:
    generator = np.random.default_rng(3)
    transition = generator.normal(size=(6, 6))
    transition *= 0.999 / np.abs(np.linalg.eigvals(transition)).max()
    moments = transition_moments(*nudged(transition, steps=60))
    law = linear_dynamics(moments.gram.sum(0), moments.weight)
    assert np.linalg.eigvalsh(law.noise)[0] > 0.9


def test_phi_approaches_theory_with_inner_noise() -> None:
    transition, inner = blocks(0.1), 0.7
    noise = (1 + inner**2) * np.eye(4)
    theory = minimum_phi(transition, stationary_covariance(transition, noise), noise).nats
    moments = transition_moments(*nudged(transition, inner_noise=inner))
    found = perturbational_phi(moments, [[0], [1], [2], [3]])
    assert found.nats - found.bias == pytest.approx(theory, abs=0.03)
    assert found.cut == ((0, 1), (2, 3))
    assert found.phi == pytest.approx(linfoot(found.nats - found.bias))


def test_stronger_cross_weights_raise_phi() -> None:
    values = [
        perturbational_phi(transition_moments(*nudged(blocks(across))), [[0], [1], [2], [3]]).phi
        for across in (0.0, 0.03, 0.06, 0.1, 0.14)
    ]
    assert values == sorted(values)
    assert values[0] < 0.05
    assert values[-1] > 0.2


def test_bias_matches_disconnected_networks() -> None:
    """Without cross weights all that is found is bias; the formula must take it away on average."""
    raws, biases = [], []
    for seed in range(40):
        moments = transition_moments(*nudged(blocks(0.0), rows=8, steps=60, inner_noise=1.0, seed=seed))
        law = linear_dynamics(moments.gram.sum(0), moments.weight)
        cut = [[0, 1], [2, 3]]
        raws.append(phi_at(law.transition, law.covariance, law.noise, cut).nats)
        biases.append(phi_bias(law.residual, 2, 2, moments.samples))
    assert np.mean(raws) == pytest.approx(np.mean(biases), rel=0.35)


def test_few_samples_cannot_show_a_small_phi() -> None:
    moments = transition_moments(*nudged(blocks(0.02), rows=8, steps=80, inner_noise=1.0))
    found = perturbational_phi(moments, [[0], [1], [2], [3]])
    assert moments.samples < 4_000
    assert found.raw < 0.1
    assert found.phi == 0.0


def test_accumulators_decay_and_count_kish_samples() -> None:
    tick = transition_moments(*nudged(blocks(0.1), rows=4, steps=58))  # 4 · 49 transitions
    total = tick
    for _ in range(200):
        total = total.followed_by(tick, decay=0.5)
    assert total.weight == pytest.approx(2 * tick.weight)
    assert total.samples == pytest.approx(3 * 196)
    one, many = (linear_dynamics(part.gram.sum(0), part.weight) for part in (tick, total))
    assert np.allclose(one.transition, many.transition)


def test_jackknife_error_matches_the_spread() -> None:
    modules = [[0], [1], [2], [3]]
    found = [
        perturbational_phi(
            transition_moments(*nudged(blocks(0.1), steps=48, inner_noise=0.5, seed=seed)), modules
        )
        for seed in range(25)
    ]
    spread = np.std([one.raw for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.5)


@pytest.mark.parametrize("across", [0.0, 0.005, 0.01, 0.02])
def test_the_error_is_not_understated_near_zero(across: float) -> None:
    """There a small error in nats is a large one on the scale."""
    found = [
        perturbational_phi(
            transition_moments(*nudged(blocks(across), rows=64, steps=60, inner_noise=0.5, seed=seed)),
            [[0], [1], [2], [3]],
        )
        for seed in range(60)
    ]
    spread = float(np.std([one.raw for one in found], ddof=1))
    assert 0.8 * spread < np.mean([one.standard_error for one in found]) < 2.5 * spread


def test_value_at_a_given_cut_is_that_of_the_search() -> None:
    moments = transition_moments(*nudged(blocks(0.1)))
    found = perturbational_phi(moments, [[0], [1], [2], [3]])
    assert phi_at_cut(moments, found.cut) == pytest.approx(found.raw, abs=1e-6)


def test_too_short_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="no transition"):
        transition_moments(np.zeros((2, 9, 1)), np.zeros((2, 9, 1)))


@pytest.mark.parametrize(("nats", "scaled"), [(0.0, 0.0), (0.5, math.sqrt(1 - math.exp(-1))), (50.0, 1.0)])
def test_linfoot_scale(nats: float, scaled: float) -> None:
    assert linfoot(nats) == pytest.approx(scaled)
    assert linfoot(-nats) == pytest.approx(-scaled)
