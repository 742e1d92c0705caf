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

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACTIONS = ("stay", "up", "down", "left", "right")
WALKERS = 32


def learned_agency(transitions: NDArray[np.float64], num_steps: int) -> float:
    """Random walkers on the grid; every action is scored by counts q(a | s, s′) before it is counted."""
    generator = np.random.default_rng(1)
    cells = len(transitions)
    counts = np.full((cells, cells, len(ACTIONS)), 0.05)
    reach = transitions.cumsum(2)
    cell = generator.integers(cells, size=WALKERS)
    scores = []
    for _ in range(num_steps // WALKERS):
        action = generator.integers(len(ACTIONS), size=WALKERS)
        after = (generator.random(WALKERS)[:, None] > reach[cell, action]).sum(1).clip(max=cells - 1)
        seen = counts[cell, after]
        scores.append(np.log(seen[np.arange(WALKERS), action] / seen.sum(1)))
        np.add.at(counts, (cell, after, action), 1.0)
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
        actions = [action]
        for _ in range(num_next):
            actions.append(int(generator.choice(3, p=chain[actions[-1]])))
        later = sum(math.log(chain[a, b]) for a, b in itertools.pairwise(actions))
        scores[index, action, sample] = np.log(chain[:, actions[1]]) + later
    found = closed_loop_agency(np.log(chain[contexts]), scores)
    assert found is not None
    assert found.eta == pytest.approx(markov_agency(chain, num_next), abs=4 * found.standard_error)
    assert found.standard_error < 0.02


def test_deaf_speaker_has_no_agency() -> None:
    """What follows does not depend on the actions: exactly nothing."""
    found = closed_loop_agency(np.log(np.full((5, 4), 0.25)), np.full((5, 4, 2, 4), -3.0))
    assert found is not None
    assert found.eta == pytest.approx(0.0, abs=1e-12)
