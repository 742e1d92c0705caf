"""Does the brain know when it is right: type-2 AUROC, and calibration as the gate before it.

Conventions: confidence in [0, 1] is the top probability, correct is whether the top choice was right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brain.vitals.ranks import average_ranks

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Auroc:
    """P(confidence when right > confidence when wrong), ties counting half; with its standard error."""

    area: float
    standard_error: float
    num_right: int
    num_wrong: int


def type2_auroc(confidence: ArrayLike, correct: ArrayLike) -> Auroc | None:
    """Type-2 AUROC with mid-ranks; None when all answers are right or all are wrong.

    Source: Fleming & Lau 2014; standard error of Hanley & McNeil 1982.

    >>> type2_auroc([0.9, 0.9, 0.2], [True, True, False]).area
    1.0
    """
    sure, right = _pair(confidence, correct)
    num_right = int(right.sum())
    num_wrong = len(right) - num_right
    if num_right == 0 or num_wrong == 0:
        return None
    rank_sum = float(average_ranks(sure)[right].sum())
    area = (rank_sum - num_right * (num_right + 1) / 2) / (num_right * num_wrong)
    two_right, two_wrong = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (
        area * (1 - area) + (num_right - 1) * (two_right - area**2) + (num_wrong - 1) * (two_wrong - area**2)
    )
    return Auroc(
        area=area,
        standard_error=math.sqrt(max(spread, 0.0) / (num_right * num_wrong)),
        num_right=num_right,
        num_wrong=num_wrong,
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, num_bins: int = 15) -> float:
    """Σ (n_b / n) |accuracy − mean confidence| over bins of equal width, closed on the right.

    Source: Guo et al. 2017.
    """
    sure, right = _pair(confidence, correct)
    # The tiny shift keeps a confidence on an edge, such as 9/15, in the bin it closes despite rounding.
    bins = np.clip(np.ceil(sure * num_bins - 1e-9) - 1, 0, num_bins - 1).astype(np.int64)
    count = np.bincount(bins, minlength=num_bins)
    gap = np.bincount(bins, weights=right - sure, minlength=num_bins)
    return float(np.abs(gap[count > 0]).sum() / len(sure))


def debiased_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, num_bins: int = 15) -> float:
    """Calibration error over bins of equal mass, less what noise alone adds to it; never below 0.

    Each bin's accuracy is a noisy mean, so |accuracy − confidence| is too large on average; the expected
    excess under a normal of the bin's standard error is subtracted. Ties are never split between bins.

    Source: equal mass, Roelofs et al. 2022; debiasing, Kumar, Liang, Ma 2019 (there by resampling).
    """
    sure, right = _pair(confidence, correct)
    edges = np.unique(np.quantile(sure, np.linspace(0, 1, num_bins + 1)[1:-1], method="higher"))
    bins = np.searchsorted(edges, sure, side="left")
    count = np.bincount(bins)
    kept = count > 0
    size = count[kept].astype(np.float64)
    accuracy = np.bincount(bins, weights=right.astype(np.float64))[kept] / size
    gap = accuracy - np.bincount(bins, weights=sure)[kept] / size
    error = np.sqrt(accuracy * (1 - accuracy) / np.maximum(size - 1, 1))
    excess = _folded_normal_mean(gap, error) - np.abs(gap)
    return float(max(0.0, (size * (np.abs(gap) - excess)).sum() / len(sure)))


def brier_score(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean squared difference between confidence and being right."""
    sure, right = _pair(confidence, correct)
    return float(((sure - right) ** 2).mean())


def _folded_normal_mean(mean: Array, deviation: Array) -> Array:
    """E|N(mean, deviation²)|, elementwise."""
    from scipy.special import ndtr  # noqa: PLC0415 - a start does not pay for it

    safe = np.where(deviation > 0, deviation, 1.0)
    ratio = mean / safe
    folded = safe * math.sqrt(2 / math.pi) * np.exp(-0.5 * ratio**2) + mean * (1 - 2 * ndtr(-ratio))
    return np.asarray(np.where(deviation > 0, folded, np.abs(mean)))


def _pair(confidence: ArrayLike, correct: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Both as flat arrays of equal, positive length.

    Raises:
        ValueError: when they differ in length, are empty or a confidence is outside [0, 1].
    """
    sure = np.asarray(confidence, dtype=np.float64).ravel()
    right = np.asarray(correct).astype(bool).ravel()
    if len(sure) != len(right) or len(sure) == 0:
        raise ValueError(
            f"{len(sure)} confidences for {len(right)} answers; both are needed, in equal number"
        )
    if not ((sure >= -1e-6) & (sure <= 1 + 1e-6)).all():
        raise ValueError("a confidence lies outside [0, 1]")
    return sure, right
