"""Type-2 AUROC and calibration against counting and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brain.vitals.calibration import (
    brier_score,
    debiased_calibration_error,
    expected_calibration_error,
    type2_auroc,
)


def test_area_counts_pairs_with_ties_as_half() -> None:
    sure = [0.9, 0.9, 0.5, 0.5, 0.1]
    right = [True, False, True, False, False]
    pairs = [
        (a, b)
        for a, good in zip(sure, right, strict=True)
        if good
        for b, g in zip(sure, right, strict=True)
        if not g
    ]
    counted = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    found = type2_auroc(sure, right)
    assert found is not None
    assert found.area == pytest.approx(counted)


@pytest.mark.parametrize("right", [[True] * 5, [False] * 5])
def test_all_right_or_all_wrong_is_not_available(right: list[bool]) -> None:
    assert type2_auroc([0.1, 0.2, 0.3, 0.4, 0.5], right) is None


def test_standard_error_matches_simulation() -> None:
    generator = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(300):
        right = generator.random(300) < 0.6
        found = type2_auroc(1 / (1 + np.exp(-generator.normal(size=300) - right)), right)
        assert found is not None
        areas.append(found.area)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.15)


def test_calibrated_forecaster_has_no_debiased_error() -> None:
    generator = np.random.default_rng(1)
    debiased, plain = [], []
    for _ in range(40):
        sure = generator.uniform(0.05, 0.95, 1_000)
        right = generator.random(1_000) < sure
        debiased.append(debiased_calibration_error(sure, right))
        plain.append(expected_calibration_error(sure, right))
    assert np.mean(debiased) < 0.75 * np.mean(plain)


def test_large_miscalibration_survives_debiasing() -> None:
    generator = np.random.default_rng(2)
    sure = generator.uniform(0.7, 0.99, 4_000)
    right = generator.random(4_000) < sure - 0.3
    assert debiased_calibration_error(sure, right) == pytest.approx(0.3, abs=0.03)


def test_equal_width_bins_close_on_the_right() -> None:
    assert expected_calibration_error([0.6, 0.65], [True, False], num_bins=15) == pytest.approx(
        (0.4 + 0.65) / 2
    )


def test_brier() -> None:
    assert brier_score([1.0, 0.5], [True, False]) == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("sure", "right"), [([1.2], [True]), ([], []), ([0.5], [True, False]), ([math.nan], [True])]
)
def test_bad_input_is_refused(sure: list[float], right: list[bool]) -> None:
    with pytest.raises(ValueError, match="confidence"):
        type2_auroc(sure, right)
