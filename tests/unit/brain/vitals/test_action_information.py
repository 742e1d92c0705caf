"""Learned agency under slip, closed-loop agency of a known language, and what must give nothing."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from brain.vitals.action_information import barber_agakov, closed_loop_agency
from brain.vitals.discrete import markov_agency, stationary_distribution
from brain.vitals.gridworld import grid_transitions, uniform_agency
from brain.vitals.inverse_model import InverseModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACTIONS = ("stay", "up", "down", "left", "right")
WALKERS = 32


def learned_agency(transitions: NDArray[np.float64], num_steps: int) -> float:
    """Random walkers on the grid; every action is scored before the inverse model learns from it."""
    generator = np.random.default_rng(1)
    cells = len(transitions)
    model = InverseModel(num_features=2 * cells, num_actions=len(ACTIONS))
    reach = transitions.cumsum(2)
    cell = generator.integers(cells, size=WALKERS)
    scores = []
    for _ in range(num_steps // WALKERS):
        action = generator.integers(len(ACTIONS), size=WALKERS)
        after = (generator.random(WALKERS)[:, None] > reach[cell, action]).sum(1).clip(max=cells - 1)
        features = np.zeros((WALKERS, 2 * cells))
        features[np.arange(WALKERS), cell] = 3.0
        features[np.arange(WALKERS), cells + after] = 3.0
        scores.append(model.log_probabilities(features)[np.arange(WALKERS), action])
        model.learn(features, action)
        cell = after
    found = barber_agakov(np.concatenate(scores)[-8_192:], math.log(len(ACTIONS)))
    assert found is not None
    return found.eta


@pytest.mark.parametrize("slip", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_learned_agency_under_slip(slip: float) -> None:
    transitions = grid_transitions(7, slip, ACTIONS)
    target = uniform_agency(transitions)
    estimate = learned_agency(transitions, 40_000)
    assert target - 0.06 < estimate < target + 0.02  # a bound from below, but for chance


def test_untrained_inverse_model_shows_no_agency() -> None:
    model = InverseModel(num_features=4, num_actions=5)
    log_q = model.log_probabilities(np.ones((50, 4)))[:, 0]
    found = barber_agakov(log_q, math.log(5))
    assert found is not None
    assert found.eta == pytest.approx(0.0)


def test_closed_actions_get_no_mass() -> None:
    model = InverseModel(num_features=2, num_actions=4)
    open_actions = np.array([[True, True, False, False]])
    assert np.exp(model.log_probabilities(np.ones((1, 2)), open_actions))[0] == pytest.approx(
        [0.5, 0.5, 0, 0]
    )


def test_model_survives_a_restart() -> None:
    generator = np.random.default_rng(0)
    first, second = (InverseModel(num_features=3, num_actions=2, seed=seed) for seed in (1, 2))
    features, actions = generator.normal(size=(8, 3)), generator.integers(2, size=8)
    first.learn(features, actions)
    second.load(first.state())
    for model in (first, second):
        model.learn(features, actions)
    assert np.array_equal(first.log_probabilities(features), second.log_probabilities(features))


def test_no_choice_no_agency() -> None:
    assert barber_agakov([0.0, 0.0], 0.01) is None
    assert barber_agakov([], 1.0) is None
    certain = np.log(np.array([[1.0 - 1e-9, 1e-9]]))
    assert closed_loop_agency(certain, np.zeros((1, 2, 1, 2))) is None


@pytest.mark.parametrize("num_next", [1, 3])
def test_closed_loop_agency_of_a_markov_speaker(num_next: int) -> None:
    chain = np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.05, 0.15, 0.8]])
    generator = np.random.default_rng(0)
    contexts = generator.choice(3, p=stationary_distribution(chain), size=600)
    scores = np.zeros((600, 3, 4, 3))
    for index, action, sample in np.ndindex(600, 3, 4):
        said = [action]
        for _ in range(num_next):
            said.append(int(generator.choice(3, p=chain[said[-1]])))
        later = sum(math.log(chain[a, b]) for a, b in itertools.pairwise(said))
        scores[index, action, sample] = np.log(chain[:, said[1]]) + later
    found = closed_loop_agency(np.log(chain[contexts]), scores)
    assert found is not None
    assert found.eta == pytest.approx(markov_agency(chain, num_next), abs=4 * found.standard_error)
    assert found.standard_error < 0.02


def test_deaf_speaker_has_no_agency() -> None:
    """What follows does not depend on what was said: exactly nothing."""
    found = closed_loop_agency(np.log(np.full((5, 4), 0.25)), np.full((5, 4, 2, 4), -3.0))
    assert found is not None
    assert found.eta == pytest.approx(0.0, abs=1e-12)
