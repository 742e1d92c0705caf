"""Effective dependence: how much of what the modules do is shared, without asking whether wires carry it.

Total correlation, dual total correlation and O-information of Gaussians in nats, their bias, and the copula
that makes any marginal Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brain.vitals.gaussian import Matrix, as_covariance, log_determinant
from brain.vitals.ranks import average_ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Duplicate nodes would give exactly 1 and an infinite total correlation.
DEPENDENCE_CAP = 0.9999


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """Nats, but for `effective`, which lies in [0, DEPENDENCE_CAP]."""

    total_correlation: float
    dual_total_correlation: float
    o_information: float
    effective: float


def correlation(covariance: ArrayLike) -> Matrix:
    """The correlation matrix of a covariance, its smallest eigenvalues raised to the floor.

    Raises:
        ValueError: when it is no covariance or a node has no variance.
    """
    matrix = np.asarray(covariance, dtype=np.float64)
    scale = np.sqrt(np.clip(np.diagonal(matrix), 0.0, None))
    if not (scale > 0).all():
        raise ValueError("a node has no variance: drop it first")
    floored = as_covariance(matrix / np.outer(scale, scale), "R")
    scale = np.sqrt(np.diagonal(floored))
    return np.asarray(floored / np.outer(scale, scale))


def gaussian_dependence(covariance: ArrayLike) -> Dependence:
    """All four numbers of a covariance or correlation matrix.

    Source: Watanabe 1960 (TC); Han 1978 (DTC); Rosas et al. 2019 (O); Tononi, Sporns, Edelman 1994.

    >>> round(gaussian_dependence([[1, 0.5], [0.5, 1]]).effective, 6)
    0.25
    """
    matrix = correlation(covariance)
    if len(matrix) < 2:
        raise ValueError("dependence needs at least two nodes")
    log_volume = float(log_determinant(matrix))
    total = -0.5 * log_volume
    dual = 0.5 * (log_volume + float(np.log(np.diagonal(np.linalg.inv(matrix))).sum()))
    return Dependence(
        total_correlation=total,
        dual_total_correlation=dual,
        o_information=total - dual,
        effective=effective_dependence(total, len(matrix)),
    )


def effective_dependence(total_correlation: float, nodes: int) -> float:
    """D = 1 − e^(−2 TC / (n − 1)), capped; negative when the (bias-corrected) total correlation is."""
    return min(DEPENDENCE_CAP, 1.0 - math.exp(-2.0 * total_correlation / (nodes - 1)))


def total_correlation_bias(nodes: int, samples: int) -> float:
    """Expected plug-in total correlation of independent Gaussians, in nats; exact.

    Source: the log determinant of a Wishart matrix (Anderson 2003, 7.5; Misra, Singh, Demchuk 2005).
    """
    if nodes < 1 or samples <= nodes:
        raise ValueError(f"the bias needs more samples than nodes, not {samples} for {nodes}")
    from scipy.special import digamma  # noqa: PLC0415

    halves = (samples - 1 - np.arange(nodes)) / 2.0
    return 0.5 * float((digamma((samples - 1) / 2.0) - digamma(halves)).sum())


def gaussian_copula(samples: ArrayLike) -> Matrix:
    """Each column (T, n) replaced by normal quantiles of its mid-ranks; a monotone change alters nothing.

    Source: Ince et al. 2017, Human Brain Mapping 38:1541.
    """
    from scipy.special import ndtri  # noqa: PLC0415 - a start does not pay for it

    values = np.asarray(samples, dtype=np.float64)
    return np.asarray(ndtri(average_ranks(values) / (len(values) + 1.0)))
