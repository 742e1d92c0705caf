"""Trend tests against closed forms and their false-alarm rate under autocorrelation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brain.vitals.trend import mann_kendall, page_hinkley, theil_sen, theil_sen_interval


def autoregressive(generator: np.random.Generator, size: int, memory: float) -> np.ndarray:
    noise, state, values = generator.normal(size=size), 0.0, np.zeros(size)
    for index in range(size):
        state = memory * state + noise[index]
        values[index] = state
    return values


@pytest.mark.parametrize("size", [4, 10, 50])
def test_variance_without_ties(size: int) -> None:
    test = mann_kendall(np.arange(size))
    assert test.s == size * (size - 1) / 2
    assert test.variance == pytest.approx(size * (size - 1) * (2 * size + 5) / 18)
    assert test.correlated_variance == pytest.approx(test.variance)  # a straight line leaves no residual


def test_constant_series_has_no_trend() -> None:
    test = mann_kendall([0.5] * 12)
    assert (test.s, test.variance, test.z, test.p) == (0.0, 0.0, 0.0, 1.0)


def test_autocorrelation_is_not_taken_for_a_trend() -> None:
    generator = np.random.default_rng(0)
    plain = corrected = 0
    for _ in range(200):
        test = mann_kendall(autoregressive(generator, 120, 0.8))
        plain += test.p < 0.01
        corrected += test.correlated_p < 0.01
    assert plain > 40  # the uncorrected test cries wolf
    assert corrected < plain / 2


def test_corrected_test_still_sees_a_fall() -> None:
    generator = np.random.default_rng(1)
    values = 0.5 - 0.3 * np.linspace(0, 1, 200) + 0.02 * autoregressive(generator, 200, 0.5)
    test = mann_kendall(values)
    assert test.s < 0
    assert test.correlated_p < 0.01


def test_theil_sen_resists_outliers_and_takes_times() -> None:
    times = np.arange(50) * 2.0
    values = 1.0 + 0.3 * times
    values[[3, 20]] = 1e3
    assert theil_sen(values, times) == pytest.approx(0.3)


def test_slope_interval_covers_the_truth() -> None:
    generator = np.random.default_rng(2)
    inside = 0
    for _ in range(100):
        low, high = theil_sen_interval(0.01 * np.arange(60) + generator.normal(size=60) * 0.2)
        inside += low <= 0.01 <= high
    assert inside >= 90


def test_page_hinkley_never_alarms_on_a_falling_series() -> None:
    assert page_hinkley(np.linspace(2, 1, 200), delta=0.01, threshold=0.5) == -1


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, math.nan, 2.0]])
def test_too_little_to_judge_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least 3 finite"):
        mann_kendall(values)
