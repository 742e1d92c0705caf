"""Information in discrete distributions and channels: entropies, capacity, empowerment, conditional agency.

Bits where a name says so, nats otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = NDArray[np.float64]
NATS_PER_BIT = float(np.log(2.0))


def as_distribution(weights: ArrayLike, name: str) -> Array:
    """Probabilities along the last axis, each row summing to 1.

    Raises:
        ValueError: for a negative value or a row that does not sum to 1.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim == 0 or values.size == 0 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} must hold probabilities")
    sums = values.sum(-1, keepdims=True)
    if np.abs(sums - 1.0).max() > 1e-6:
        raise ValueError(f"{name} must sum to 1 along its last axis, not to {float(sums.flat[0]):.6g}")
    return np.asarray(values / sums)


def entropy(probabilities: ArrayLike) -> float:
    """−Σ p ln p over all entries, in nats."""
    values = np.asarray(probabilities, dtype=np.float64)
    positive = values[values > 0]
    return float(-(positive * np.log(positive)).sum())


def joint_entropies(
    outcomes: Sequence[Sequence[object]], pmf: ArrayLike
) -> tuple[float, list[float], list[float]]:
    """H(X), every H(X_i) and every H(X without X_i), in nats."""
    weights = as_distribution(pmf, "pmf")
    if len(outcomes) != len(weights):
        raise ValueError(f"{len(outcomes)} outcomes but {len(weights)} probabilities")
    width = len(outcomes[0])
    if width == 0 or any(len(outcome) != width for outcome in outcomes):
        raise ValueError("every outcome must name the same number of variables")

    def marginal(kept: Sequence[int]) -> float:
        sums: dict[tuple[object, ...], float] = {}
        for outcome, weight in zip(outcomes, weights, strict=True):
            key = tuple(outcome[index] for index in kept)
            sums[key] = sums.get(key, 0.0) + float(weight)
        return entropy(list(sums.values()))

    everything = range(width)
    singles = [marginal([index]) for index in everything]
    others = [marginal([kept for kept in everything if kept != index]) for index in everything]
    return marginal(everything), singles, others


def discrete_dependence(outcomes: Sequence[Sequence[object]], pmf: ArrayLike) -> Mapping[str, float]:
    """Total correlation, dual total correlation and O-information in nats."""
    joint, singles, others = joint_entropies(outcomes, pmf)
    total = sum(singles) - joint
    dual = sum(others) - (len(singles) - 1) * joint
    return {
        "total_correlation": total,
        "dual_total_correlation": dual,
        "o_information": total - dual,
        "entropy": joint,
    }


def mutual_information(channel: ArrayLike, inputs: ArrayLike | None = None) -> float:
    """I(X; Y) in nats for rows p(y | x) and input probabilities, uniform when None."""
    rows = as_distribution(channel, "W")
    weights = (
        np.full(len(rows), 1.0 / len(rows))
        if inputs is None
        else as_distribution(inputs, "the input distribution")
    )
    chosen = weights > 0  # what never happens has no divergence to add, not even an infinite one
    return float(weights[chosen] @ _divergences(rows[chosen], weights @ rows))


def channel_capacity(channel: ArrayLike, *, tolerance: float = 1e-11, max_iterations: int = 5_000) -> float:
    """Capacity in nats by Blahut–Arimoto, closed to `tolerance` by I(p) ≤ C ≤ max_x D(W_x ‖ pW).

    Where an input is useless by a hair the iteration crawls; Newton steps on the same concave objective with
    a vanishing log barrier then close the gap.

    Source: Blahut 1972; Arimoto 1972. Bounds: Blahut's theorem 10.

    >>> round(channel_capacity([[0.7, 0.3, 0.0], [0.0, 0.3, 0.7]]) / NATS_PER_BIT, 9)
    0.7
    """
    rows = np.unique(as_distribution(channel, "W"), axis=0)  # aliased inputs cannot raise the capacity
    rows = rows[:, rows.max(0) > 0]
    if len(rows) == 1:
        return 0.0
    inputs = np.full(len(rows), 1.0 / len(rows))
    for _ in range(max_iterations):
        divergences = _divergences(rows, inputs @ rows)
        lower, upper = float(inputs @ divergences), float(divergences.max())
        if upper - lower < tolerance:
            return lower
        inputs = inputs * np.exp(divergences - upper)
        inputs /= inputs.sum()
    return _capacity_by_barrier(rows, tolerance)


def _divergences(rows: Array, output: Array) -> Array:
    """D(W_x ‖ output) of every row, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(rows > 0, rows * (np.log(rows) - np.log(output)), 0.0)
    return np.asarray(terms.sum(1))


def _capacity_by_barrier(rows: Array, tolerance: float) -> float:
    """Maximise I(p) + t Σ ln p over the simplex by Newton steps, t → 0; the gap is t times the inputs."""
    size = len(rows)
    inputs = np.full(size, 1.0 / size)
    barrier, best = 0.1, 0.0
    while barrier * size > tolerance / 4:
        for _ in range(50):
            output = inputs @ rows
            gradient = _divergences(rows, output) + barrier / inputs
            hessian = (rows / output) @ rows.T + np.diag(barrier / inputs**2)
            solved = np.linalg.solve(hessian, np.stack([gradient, np.ones(size)], axis=1))
            step = solved[:, 0] - solved[:, 1] * (solved[:, 0].sum() / solved[:, 1].sum())
            falling = step < 0
            reach = min(1.0, 0.95 * float((inputs[falling] / -step[falling]).min())) if falling.any() else 1.0
            inputs = inputs + reach * step
            inputs = np.maximum(inputs, 1e-300) / inputs.sum()
            if float(np.abs(step / inputs).max()) < 1e-7:
                break
        best = max(best, float(inputs @ _divergences(rows, inputs @ rows)))
        barrier *= 0.2
    return best


def conditional_agency(state: ArrayLike, policy: ArrayLike, outcome: ArrayLike) -> float:
    """η = I(A; O | C) / H(A | C).

    Args:
        state: p(c), (C,).
        policy: p(a | c), (C, A).
        outcome: p(o | c, a), (C, A, O).

    Raises:
        ValueError: when the action is certain in every state: then there is nothing to attribute.
    """
    contexts, actions = (
        as_distribution(state, "the state distribution"),
        as_distribution(policy, "the policy"),
    )
    outcomes = as_distribution(outcome, "the outcome distribution")
    if actions.shape != (len(contexts), outcomes.shape[1]) or len(outcomes) != len(contexts):
        raise ValueError(
            f"policy {actions.shape} and outcomes {outcomes.shape} do not fit {len(contexts)} states"
        )
    uncertainty = float(sum(weight * entropy(row) for weight, row in zip(contexts, actions, strict=True)))
    if uncertainty < 1e-12:
        raise ValueError("the action is certain in every state, so agency is not defined")
    information = sum(
        weight * mutual_information(rows, row)
        for weight, row, rows in zip(contexts, actions, outcomes, strict=True)
        if weight > 0
    )
    return float(information / uncertainty)


def stationary_distribution(transition: ArrayLike) -> Array:
    """Left fixed point of a Markov chain (n, n)."""
    matrix = as_distribution(transition, "P")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"P must be square, not {matrix.shape}")
    size = len(matrix)
    system = np.vstack([matrix.T - np.eye(size), np.ones(size)])
    solution = np.linalg.lstsq(system, np.r_[np.zeros(size), 1.0], rcond=None)[0]
    return np.asarray(np.clip(solution, 0.0, None) / np.clip(solution, 0.0, None).sum())


def markov_agency(transition: ArrayLike, num_next: int) -> float:
    """Agency of a speaker over its own next `num_next` symbols, its language a stationary Markov chain.

    The own symbol is A = X₁ after the context C = X₀; O = X₂ … X_{k+1}. By the Markov property everything A
    tells about O it tells through X₂, so the sum over I(A; X_j | C, X₂ … X_{j−1}) has one term whatever k is.
    """
    if num_next < 1:
        raise ValueError("k must be at least 1")
    matrix = as_distribution(transition, "P")
    context = stationary_distribution(matrix)
    return conditional_agency(context, matrix, np.broadcast_to(matrix, (len(matrix), *matrix.shape)))
