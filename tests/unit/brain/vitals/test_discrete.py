"""Discrete information against closed forms; capacity against an independent optimiser."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize

from brain.vitals.discrete import (
    NATS_PER_BIT,
    channel_capacity,
    conditional_agency,
    discrete_dependence,
    entropy,
    markov_agency,
    mutual_information,
    stationary_distribution,
)
from brain.vitals.gridworld import empowerment, grid_transitions, uniform_agency

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACTIONS = ("stay", "up", "down", "left", "right")


def binary_entropy(p: float) -> float:
    return -(p * math.log(p) + (1 - p) * math.log(1 - p))


@pytest.mark.parametrize("flip", [0.01, 0.11, 0.4])
def test_binary_symmetric_channel(flip: float) -> None:
    rows = [[1 - flip, flip], [flip, 1 - flip]]
    assert channel_capacity(rows) == pytest.approx(math.log(2) - binary_entropy(flip), abs=1e-9)


@pytest.mark.parametrize("flip", [0.1, 0.5, 0.9])
def test_z_channel(flip: float) -> None:
    """Capacity of the Z channel is ln(1 + (1 − p) p^{p/(1−p)})."""
    closed_form = math.log(1 + (1 - flip) * flip ** (flip / (1 - flip)))
    assert channel_capacity([[1.0, 0.0], [flip, 1 - flip]]) == pytest.approx(closed_form, abs=1e-9)


def test_useless_channel_has_no_capacity() -> None:
    assert channel_capacity([[0.3, 0.7], [0.3, 0.7]]) == 0.0


def test_input_useless_by_a_hair_is_closed_by_newton() -> None:
    """The third input has exactly the capacity as divergence at the optimum: plain iteration crawls there."""
    flip = 0.1
    capacity = math.log(2) - binary_entropy(flip)
    middle = [[1 - flip, flip, 0.0], [flip, 1 - flip, 0.0], [0.5, 0.5, 0.0]]
    assert channel_capacity(middle) == pytest.approx(capacity, abs=1e-9)
    # p(y) is (½, ½): find t with D((t, 1 − t) ‖ ½) equal to the capacity, a row beside the first ones.
    edge = [[1 - flip, flip], [flip, 1 - flip], [1 - flip - 1e-9, flip + 1e-9]]
    assert channel_capacity(edge) == pytest.approx(capacity, abs=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_random_channels_agree_with_a_general_optimiser(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.dirichlet(np.full(4, 0.5), size=6)

    def negative(logits: NDArray[np.float64]) -> float:
        weights = np.exp(logits - logits.max())
        return -mutual_information(rows, weights / weights.sum())

    found = max(-minimize(negative, generator.normal(size=6), method="BFGS").fun for _ in range(3))
    assert channel_capacity(rows) == pytest.approx(found, abs=2e-5)
    assert channel_capacity(rows) >= found - 1e-9


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[-0.1, 1.1]], [[math.nan, 1.0]]])
def test_bad_channel_is_refused(rows: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="W must"):
        channel_capacity(rows)


def test_exclusive_or_is_pure_synergy() -> None:
    found = discrete_dependence([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)], [0.25] * 4)
    assert found["total_correlation"] == pytest.approx(NATS_PER_BIT)
    assert found["dual_total_correlation"] == pytest.approx(2 * NATS_PER_BIT)
    assert found["o_information"] == pytest.approx(-NATS_PER_BIT)


def test_entropy_of_uniform() -> None:
    assert entropy([0.25] * 4) == pytest.approx(math.log(4))


def test_agency_is_whole_when_the_action_decides_and_none_when_it_does_not() -> None:
    policy = [[0.9, 0.1], [0.2, 0.8]]
    decides = np.broadcast_to(np.eye(2), (2, 2, 2))
    ignores = np.broadcast_to(np.eye(2)[:, None, :], (2, 2, 2))
    assert conditional_agency([0.5, 0.5], policy, decides) == pytest.approx(1.0)
    assert conditional_agency([0.5, 0.5], policy, ignores) == 0.0


def test_an_action_that_cannot_be_adds_nothing() -> None:
    certain = mutual_information([[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0])
    assert certain == 0.0  # and no warning of zero times infinity


def test_agency_of_a_certain_action_is_not_defined() -> None:
    with pytest.raises(ValueError, match="certain"):
        conditional_agency([1.0], [[1.0, 0.0]], [[[1.0], [1.0]]])


def test_markov_agency_by_enumeration() -> None:
    chain = np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.05, 0.15, 0.8]])
    start = stationary_distribution(chain)
    assert start @ chain == pytest.approx(start)
    joint = np.einsum("c,ca,ab,bd->cabd", start, chain, chain, chain)  # two symbols follow the own one

    def conditional(values: NDArray[np.float64]) -> float:
        return entropy(values) - entropy(values.sum(axis=tuple(range(1, values.ndim))))

    own = conditional(joint.sum((2, 3)))
    others = conditional(joint.sum(1))
    together = conditional(joint)
    assert markov_agency(chain, 2) == pytest.approx((own + others - together) / own, abs=1e-12)


@pytest.mark.parametrize("slip", [0.0, 0.3, 1.0])
def test_empowerment_in_the_open(slip: float) -> None:
    transitions = grid_transitions(7, slip, ACTIONS)
    centre = empowerment(transitions, 24, 1)
    keep, other = 1 - slip + slip / 5, slip / 5
    closed_form = math.log(5) + keep * math.log(keep) + (4 * other * math.log(other) if other else 0.0)
    assert centre == pytest.approx(closed_form, abs=1e-9)
    assert uniform_agency(transitions) <= centre / math.log(5) + 1e-9


def test_unknown_action_is_named() -> None:
    with pytest.raises(ValueError, match="jump"):
        grid_transitions(3, 0.0, ["jump"])
