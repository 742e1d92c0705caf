"""Fraction of variance unexplained and its baselines on systems with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from brain.vitals.self_prediction import (
    clean_states,
    fraction_of_variance_unexplained,
    linear_baseline,
    persistence_baseline,
    unexplained_error,
)


def autoregressive(memory: float, size: int = 4_000, width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    states = np.zeros((size + 1, width))
    for step in range(size):
        states[step + 1] = memory * states[step] + generator.normal(size=width)
    return states[:-1], states[1:]


def test_perfect_and_hopeless_foresight() -> None:
    _, after = autoregressive(0.5)
    assert fraction_of_variance_unexplained(after, after) == 0.0
    assert fraction_of_variance_unexplained(
        after, np.broadcast_to(after.mean(0), after.shape)
    ) == pytest.approx(1.0)


@pytest.mark.parametrize("memory", [0.2, 0.8])
def test_baselines_reach_theory(memory: float) -> None:
    before, after = autoregressive(memory)
    assert persistence_baseline(before, after) == pytest.approx(2 * (1 - memory), abs=0.08)
    assert linear_baseline(before, after) == pytest.approx(1 - memory**2, abs=0.05)
    assert linear_baseline(before, after) <= persistence_baseline(before, after)


def test_error_is_honest() -> None:
    before, after = autoregressive(0.5)
    assert unexplained_error(after, 0.5 * before) == pytest.approx(0.012, abs=0.012)


def test_constant_state_is_refused() -> None:
    with pytest.raises(ValueError, match="constant"):
        fraction_of_variance_unexplained(np.ones((5, 2)), np.zeros((5, 2)))


def test_clean_states_drop_rows_and_units() -> None:
    before, after = autoregressive(0.5, size=100)
    after = after.copy()
    after[3, 1] = np.nan
    after[:, 2] = 7.0
    clean = clean_states(before, after)
    assert clean.dropped_share == pytest.approx(0.01)
    assert clean.coverage == pytest.approx(2 / 3)
    assert list(clean.units) == [True, True, False]
