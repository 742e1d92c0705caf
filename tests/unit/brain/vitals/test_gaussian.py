"""Gaussian systems against closed forms, brute force and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_lyapunov
from scipy.optimize import minimize

from brain.vitals.gaussian import (
    as_covariance,
    balanced_bipartitions,
    minimum_phi,
    phi_at,
    phi_of_each,
    stationary_covariance,
    time_delayed_information,
)

Matrix = NDArray[np.float64]


def random_system(seed: int, size: int, radius: float) -> tuple[Matrix, Matrix, Matrix]:
    generator = np.random.default_rng(seed)
    transition = generator.normal(size=(size, size))
    transition *= radius / np.abs(np.linalg.eigvals(transition)).max()
    factor = generator.normal(size=(size, 2 * size))
    noise = factor @ factor.T / size
    return transition, stationary_covariance(transition, noise), noise


def brute_force(transition: Matrix, covariance: Matrix, noise: Matrix, cut: list[list[int]]) -> float:
    """The same minimum by a general optimiser from the same start."""
    free = np.zeros(transition.shape, dtype=bool)
    for part in cut:
        free[np.ix_(part, part)] = True

    def objective(values: Matrix) -> float:
        gap = transition.copy()
        gap[free] -= values
        split = noise + gap @ covariance @ gap.T
        return float(0.5 * (np.linalg.slogdet(split)[1] - np.linalg.slogdet(noise)[1]))

    found = minimize(objective, transition[free], method="BFGS", options={"gtol": 1e-9})
    return float(found.fun)


@pytest.mark.parametrize("radius", [0.3, 0.9, 0.99, 0.999])
def test_stationary_covariance_agrees_with_scipy(radius: float) -> None:
    transition, covariance, noise = random_system(1, 5, radius)
    expected = solve_discrete_lyapunov(transition, noise)
    assert np.allclose(covariance, expected, rtol=1e-6)
    assert np.linalg.eigvalsh(covariance)[0] > 0


@pytest.mark.parametrize("radius", [1.0, 1.2])
def test_unstable_system_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match="no stationary state"):
        stationary_covariance(np.eye(2) * radius, np.eye(2))


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], "not positive semi-definite"),
        ([[1.0, 0.2], [0.1, 1.0]], "symmetric"),
        ([[0.0, 0.0], [0.0, 0.0]], "no variance"),
        ([[1.0, math.nan], [0.0, 1.0]], "not finite"),
        ([[1.0, 0.0]], "square"),
    ],
)
def test_bad_covariance_is_named(noise: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_covariance(noise, "Q")


def test_copied_and_swapped_node_has_phi_equal_to_its_information() -> None:
    transition, noise = np.array([[0.0, 0.9], [0.9, 0.0]]), np.eye(2)
    covariance = stationary_covariance(transition, noise)
    closed_form = -math.log(1 - 0.81)  # two channels of ½ ln 1/(1 − 0.9²) each
    assert time_delayed_information(covariance, noise) == pytest.approx(closed_form, abs=1e-12)
    assert phi_at(transition, covariance, noise, [[0], [1]]).nats == pytest.approx(closed_form, abs=1e-9)


def test_uncoupled_nodes_have_no_phi_even_under_common_noise() -> None:
    noise = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    transition = np.diag([0.9, 0.5, -0.3, 0.99])
    covariance = stationary_covariance(transition, noise)
    assert minimum_phi(transition, covariance, noise).nats == 0.0


@pytest.mark.parametrize(("size", "radius"), [(2, 0.5), (3, 0.9), (4, 0.7), (6, 0.6)])
@pytest.mark.parametrize("seed", range(4))
def test_phi_agrees_with_brute_force(seed: int, size: int, radius: float) -> None:
    system = random_system(seed, size, radius)
    cut = [list(range(size // 2)), list(range(size // 2, size))]
    assert phi_at(*system, cut).nats == pytest.approx(brute_force(*system, cut), abs=2e-6)


@pytest.mark.parametrize("cut", [[[0], [1], [2], [3]], [[0, 3], [1], [2]], [[1], [0, 2, 3]]])
def test_any_partition_is_solved(cut: list[list[int]]) -> None:
    system = random_system(5, 4, 0.8)
    assert phi_at(*system, cut).nats == pytest.approx(brute_force(*system, cut), abs=2e-6)


def test_finer_partition_loses_at_least_as_much() -> None:
    system = random_system(6, 4, 0.8)
    coarse = phi_at(*system, [[0, 1], [2, 3]]).nats
    assert phi_at(*system, [[0], [1], [2, 3]]).nats >= coarse - 1e-9


@pytest.mark.parametrize("seed", [0, 5, 17, 40])
def test_persistent_networks_settle_at_the_bottom_of_their_valley(seed: int) -> None:
    transition, covariance, noise = random_system(seed, 4, 0.999)
    cut = [[0, 1], [2, 3]]
    nats = phi_at(transition, covariance, noise, cut).nats
    doubled = phi_at(transition * 1.0, covariance * 4.0, noise * 4.0, cut).nats
    assert 0.0 <= nats <= time_delayed_information(covariance, noise) + 1e-9
    assert nats == pytest.approx(doubled, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 5))
def test_phi_ignores_units_and_is_bounded_by_information(seed: int, size: int) -> None:
    transition, covariance, noise = random_system(seed, size, 0.8)
    scale = np.random.default_rng(seed).uniform(0.01, 100.0, size)
    cut = [[0], list(range(1, size))]
    plain = phi_at(transition, covariance, noise, cut).nats
    scaled = phi_at(
        transition * scale[:, None] / scale,
        covariance * np.outer(scale, scale),
        noise * np.outer(scale, scale),
        cut,
    ).nats
    assert plain == pytest.approx(scaled, abs=1e-6)
    assert -1e-12 <= plain <= time_delayed_information(covariance, noise) + 1e-9


@pytest.mark.parametrize("correlation", [1.0, 0.9999999])
def test_singular_noise_gives_the_limit(correlation: float) -> None:
    """Φ_G of Barrett and Seth's network does not depend on the noise correlation, so its limit is known."""
    transition = np.full((2, 2), 0.4)
    noise = as_covariance([[1.0, correlation], [correlation, 1.0]], "Q")
    covariance = stationary_covariance(transition, noise)
    assert phi_at(transition, covariance, noise, [[0], [1]]).nats == pytest.approx(0.2056982, abs=1e-4)
    assert time_delayed_information(covariance, noise) == pytest.approx(0.5108256, abs=1e-4)


def test_noiseless_node_stays_finite() -> None:
    transition = np.array([[0.5, 0.3], [0.2, 0.1]])
    noise = as_covariance(np.diag([1.0, 0.0]), "Q")
    covariance = stationary_covariance(transition, noise)
    assert math.isfinite(minimum_phi(transition, covariance, noise).nats)


def test_minimum_is_the_smallest_over_enumerated_cuts() -> None:
    system = random_system(3, 6, 0.9)
    smallest = minimum_phi(*system)
    values = {cut: phi_at(*system, cut).nats for cut in balanced_bipartitions(6)}
    assert smallest.nats == pytest.approx(min(values.values()), abs=1e-8)
    assert smallest.cut == min(values, key=lambda cut: values[cut])


def test_minimum_over_modules_of_several_nodes_prunes_safely() -> None:
    system = random_system(4, 32, 0.9)
    modules = [list(range(4 * index, 4 * index + 4)) for index in range(8)]
    smallest = minimum_phi(*system, modules)
    values = [
        phi_at(*system, [[node for module in part for node in modules[module]] for part in cut]).nats
        for cut in balanced_bipartitions(8)
    ]
    assert smallest.nats == pytest.approx(min(values), abs=1e-7)


def test_systems_solved_together_agree_with_each_alone() -> None:
    systems = [random_system(seed, 4, 0.8) for seed in range(3)]
    cut = [[0, 2], [1, 3]]
    together = phi_of_each(systems, cut)
    assert together == pytest.approx([phi_at(*system, cut).nats for system in systems], abs=1e-9)


@pytest.mark.parametrize(("modules", "count"), [(2, 1), (3, 3), (4, 3), (5, 10), (8, 35)])
def test_number_of_balanced_bipartitions(modules: int, count: int) -> None:
    cuts = balanced_bipartitions(modules)
    assert len({frozenset(map(frozenset, cut)) for cut in cuts}) == len(cuts) == count


@pytest.mark.parametrize("cut", [[[0], [0, 1]], [[0]], [[0, 1], []], [[0], [5]], [[0, 1]]])
def test_bad_partition_is_refused(cut: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="part"):
        phi_at(np.eye(2) * 0.5, np.eye(2), np.eye(2), cut)
