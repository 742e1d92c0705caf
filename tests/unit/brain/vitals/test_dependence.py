"""Dependence of Gaussians against closed forms, its bias against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brain.vitals.dependence import (
    DEPENDENCE_CAP,
    effective_dependence,
    gaussian_copula,
    gaussian_dependence,
    total_correlation_bias,
)


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("rho", [-0.1, 0.0, 0.3, 0.9])
def test_equicorrelated_closed_form(size: int, rho: float) -> None:
    matrix = np.full((size, size), rho) + (1 - rho) * np.eye(size)
    log_volume = (size - 1) * math.log(1 - rho) + math.log(1 + (size - 1) * rho)
    found = gaussian_dependence(matrix)
    assert found.total_correlation == pytest.approx(-0.5 * log_volume, abs=1e-12)
    assert found.effective == pytest.approx(1 - math.exp(log_volume / (size - 1)), abs=1e-12)
    assert found.o_information == pytest.approx(found.total_correlation - found.dual_total_correlation)


def test_covariance_and_its_correlation_give_the_same() -> None:
    scaled = np.outer([1.0, 10.0, 0.1], [1.0, 10.0, 0.1]) * np.array(
        [[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]]
    )
    plain = np.array([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]])
    assert gaussian_dependence(scaled).total_correlation == pytest.approx(
        gaussian_dependence(plain).total_correlation
    )


def test_duplicate_nodes_are_capped_and_finite() -> None:
    found = gaussian_dependence(np.ones((3, 3)))
    assert found.effective == DEPENDENCE_CAP
    assert math.isfinite(found.total_correlation)
    assert math.isfinite(found.o_information)


def test_synergy_has_negative_and_redundancy_positive_o_information() -> None:
    generator = np.random.default_rng(0)
    first, second, noise = generator.normal(size=(3, 50_000))
    synergy = np.cov([first, second, first + second + 0.3 * noise])
    common = np.cov([first + 0.3 * second, first + 0.3 * noise, first])
    assert gaussian_dependence(synergy).o_information < -0.1
    assert gaussian_dependence(common).o_information > 0.1


def test_constant_node_is_refused() -> None:
    with pytest.raises(ValueError, match="no variance"):
        gaussian_dependence(np.diag([1.0, 0.0]))


def test_bias_matches_simulation() -> None:
    generator = np.random.default_rng(1)
    nodes, samples = 6, 40
    values = [
        gaussian_dependence(np.cov(generator.normal(size=(nodes, samples)))).total_correlation
        for _ in range(1_500)
    ]
    error = float(np.std(values)) / math.sqrt(len(values))
    assert np.mean(values) == pytest.approx(total_correlation_bias(nodes, samples), abs=4 * error)


def test_bias_needs_more_samples_than_nodes() -> None:
    with pytest.raises(ValueError, match="more samples"):
        total_correlation_bias(8, 8)


def test_copula_ignores_monotone_changes() -> None:
    values = np.random.default_rng(2).normal(size=(400, 3))
    bent = np.stack([np.exp(values[:, 0]), values[:, 1] ** 3, 5 * values[:, 2] - 1], axis=1)
    assert np.allclose(gaussian_copula(values), gaussian_copula(bent))


def test_negative_estimate_stays_negative() -> None:
    assert effective_dependence(-0.01, 8) < 0
