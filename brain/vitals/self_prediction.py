"""How well the brain predicts its own next state: the variance left unexplained, with two baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_RELATIVE_VARIANCE_FLOOR = (
    1e-12  # a unit that varies less, relative to its own size, is constant up to rounding
)


@dataclass(frozen=True, kw_only=True)
class CleanStates:
    """Rows without NaN or infinity and units that vary.

    Attributes:
        rows: bool (N,), kept rows.
        units: bool (D,), units that vary over the kept rows.
        dropped_share: share of rows with a value that is not finite.
        coverage: share of units that vary.
    """

    rows: NDArray[np.bool_]
    units: NDArray[np.bool_]
    dropped_share: float
    coverage: float


def clean_states(*states: ArrayLike) -> CleanStates:
    """Which rows and units of equally shaped (N, D) arrays can be used; the last array judges units."""
    arrays = [np.asarray(state, dtype=np.float64) for state in states]
    rows = np.logical_and.reduce([np.isfinite(array).all(1) for array in arrays])
    last = arrays[-1][rows]
    if len(last) == 0:
        units = np.zeros(arrays[-1].shape[1], dtype=bool)
    else:
        units = last.var(0) > _RELATIVE_VARIANCE_FLOOR * np.maximum((last**2).mean(0), 1e-30)
    return CleanStates(
        rows=rows,
        units=units,
        dropped_share=float(1.0 - rows.mean()) if len(rows) else 0.0,
        coverage=float(units.mean()) if len(units) else 0.0,
    )


def fraction_of_variance_unexplained(actual: ArrayLike, predicted: ArrayLike) -> float:
    """E‖h − ĥ‖² / Var(h), not clipped; (N, D) both.

    Raises:
        ValueError: when the actual states do not vary.

    >>> fraction_of_variance_unexplained([[0.0], [2.0]], [[1.0], [1.0]])
    1.0
    """
    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    variance = float(((truth - truth.mean(0)) ** 2).sum())
    if variance <= 0:
        raise ValueError("the state is constant, so there is no variance to explain")
    return float(((truth - guess) ** 2).sum() / variance)


def unexplained_error(actual: ArrayLike, predicted: ArrayLike, *, blocks: int = 16) -> float:
    """Jackknife standard error of the fraction over consecutive blocks (neighbouring states are alike)."""
    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    missed = ((truth - guess) ** 2).sum(1)
    spread = ((truth - truth.mean(0)) ** 2).sum(1)
    count = min(blocks, len(truth))
    parts = np.array_split(np.arange(len(truth)), count)
    left = np.array(
        [
            (missed.sum() - missed[part].sum()) / max(spread.sum() - spread[part].sum(), 1e-300)
            for part in parts
        ]
    )
    return float(np.sqrt((count - 1) * np.var(left)))


def persistence_baseline(before: ArrayLike, after: ArrayLike) -> float:
    """The fraction left unexplained by "nothing changes"."""
    return fraction_of_variance_unexplained(after, before)


def linear_baseline(before: ArrayLike, after: ArrayLike) -> float:
    """The fraction left unexplained by a linear map with intercept, fitted on the older half of the states.

    It is scored on the newer half. Ridge at a thousandth of the mean variance keeps it fair where there are
    few states for the width.
    """
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    half = len(old) // 2
    if half < 2:
        raise ValueError("a linear baseline needs at least four states")
    centre, target = old[:half].mean(0), new[:half].mean(0)
    shifted = old[:half] - centre
    gram = shifted.T @ shifted
    ridge = 1e-3 * float(np.trace(gram)) / len(gram) + 1e-30
    weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), shifted.T @ (new[:half] - target))
    return fraction_of_variance_unexplained(new[half:], (old[half:] - centre) @ weights + target)
