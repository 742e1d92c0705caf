"""Is a series rising or falling: Mann–Kendall, Theil–Sen and Page–Hinkley."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brain.vitals.ranks import average_ranks

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MannKendall:
    """S and its variance; z and the two-sided p with continuity correction.

    `variance` corrects for ties, `correlated_variance` for autocorrelation too; z and p come in both forms.
    """

    s: float
    variance: float
    z: float
    p: float
    correlated_variance: float
    correlated_z: float
    correlated_p: float


def mann_kendall(series: ArrayLike) -> MannKendall:
    """Tie-corrected Mann–Kendall test, with Hamed and Rao's variance for autocorrelated series.

    Source: Mann 1945, Kendall 1975; Hamed & Rao 1998, J. Hydrology 204:182.
    """
    values = _series(series, minimum=3)
    size = len(values)
    score = float(sum(np.sign(values[index + 1 :] - values[index]).sum() for index in range(size - 1)))
    ties = np.unique(values, return_counts=True)[1].astype(np.float64)
    variance = (size * (size - 1) * (2 * size + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0
    inflated = variance * _hamed_rao_factor(values)
    z, p = _significance(score, variance)
    correlated_z, correlated_p = _significance(score, inflated)
    return MannKendall(
        s=score,
        variance=variance,
        z=z,
        p=p,
        correlated_variance=inflated,
        correlated_z=correlated_z,
        correlated_p=correlated_p,
    )


def theil_sen(series: ArrayLike, times: ArrayLike | None = None) -> float:
    """Median of all pairwise slopes, per unit of `times` (per sample when None)."""
    return float(np.median(_slopes(series, times)))


def theil_sen_interval(
    series: ArrayLike, times: ArrayLike | None = None, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of the Theil–Sen slope, with the autocorrelation-corrected variance.

    Source: Sen 1968, J. Am. Stat. Assoc. 63:1379.
    """
    slopes = np.sort(_slopes(series, times))
    test = mann_kendall(series)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(
        max(test.variance, test.correlated_variance)
    )
    low = int(max(0.0, math.floor((len(slopes) - reach) / 2)))
    high = int(min(len(slopes) - 1.0, math.ceil((len(slopes) + reach) / 2)))
    return float(slopes[low]), float(slopes[high])


def page_hinkley(series: ArrayLike, *, delta: float, threshold: float) -> int:
    """Index of the first alarm for a rise of the mean, −1 for none.

    The sum of x − running mean − delta, less its minimum so far, crosses the threshold; the mean includes x.

    Source: Page 1954; Hinkley 1971.

    >>> page_hinkley([1.0] * 100 + [1.2] * 100, delta=0.01, threshold=0.5)
    102
    """
    values = _series(series, minimum=1)
    running = np.cumsum(values) / np.arange(1, len(values) + 1)
    total = np.cumsum(values - running - delta)
    above = np.flatnonzero(total - np.minimum.accumulate(np.minimum(total, 0.0)) > threshold)
    return int(above[0]) if len(above) else -1


def _series(series: ArrayLike, *, minimum: int) -> Array:
    values = np.asarray(series, dtype=np.float64).ravel()
    if len(values) < minimum or not np.isfinite(values).all():
        raise ValueError(f"a trend needs at least {minimum} finite values")
    return values


def _slopes(series: ArrayLike, times: ArrayLike | None) -> Array:
    """All pairwise slopes over pairs with distinct times."""
    values = _series(series, minimum=2)
    at = (
        np.arange(len(values), dtype=np.float64)
        if times is None
        else np.asarray(times, dtype=np.float64).ravel()
    )
    if len(at) != len(values):
        raise ValueError(f"{len(values)} values but {len(at)} times")
    first, second = np.triu_indices(len(values), k=1)
    gap = at[second] - at[first]
    apart = gap != 0
    if not apart.any():
        raise ValueError("all values were taken at one time")
    return np.asarray((values[second] - values[first])[apart] / gap[apart])


def _hamed_rao_factor(values: Array) -> float:
    """Variance inflation from the significant autocorrelations of the detrended ranks; at least a tenth."""
    size = len(values)
    ranks = average_ranks(values - theil_sen(values) * np.arange(size))
    centred = ranks - ranks.mean()
    power = float(centred @ centred)
    # Only rounding is left of a straight line: there is no autocorrelation to correct for.
    if power <= 0 or np.ptp(values - theil_sen(values) * np.arange(size)) <= 1e-9 * np.ptp(values):
        return 1.0
    lags = np.arange(1, size - 1)
    correlation = np.correlate(centred, centred, mode="full")[size : 2 * size - 2] / power
    significant = np.abs(correlation) > 1.959963984540054 / math.sqrt(size)
    weight = (size - lags) * (size - lags - 1.0) * (size - lags - 2.0)
    total = float((weight * correlation)[significant].sum())
    return max(0.1, 1.0 + 2.0 * total / (size * (size - 1.0) * (size - 2.0)))


def _significance(score: float, variance: float) -> tuple[float, float]:
    """Z with continuity correction and its two-sided p."""
    if variance <= 0 or score == 0:
        return 0.0, 1.0
    z = (score - math.copysign(1.0, score)) / math.sqrt(variance)
    return z, math.erfc(abs(z) / math.sqrt(2.0))
