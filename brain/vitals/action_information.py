"""How much of what happens next follows from what the brain did: η = I(A; O | C) / H(A | C).

Two estimators: the Barber–Agakov bound from scored actions, and probes of a brain that reads its own bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

MIN_ACTION_ENTROPY = 0.05 * math.log(2.0)  # nats: with less there is no choice to speak of


@dataclass(frozen=True, kw_only=True)
class Agency:
    """`eta` unclipped, its standard error, the mean action entropy in nats and the number of samples."""

    eta: float
    standard_error: float
    action_entropy: float
    samples: int


def barber_agakov(log_q_of_taken: ArrayLike, action_entropy: ArrayLike) -> Agency | None:
    """η̂ = 1 − CE[q(a | s, s′)] / H(π) from ln q of each taken action, scored before it was learned from.

    A lower bound of the true agency for any q, so it is negative while q is worse than the policy's own
    entropy. None when the actions carry less than MIN_ACTION_ENTROPY.

    Args:
        log_q_of_taken: ln q(a | s, s′) of randomised actions, (N,).
        action_entropy: H(π) in nats at each of them, (N,) or one number.

    Source: Barber & Agakov 2003.
    """
    scores = np.asarray(log_q_of_taken, dtype=np.float64).ravel()
    uncertainty = np.broadcast_to(np.asarray(action_entropy, dtype=np.float64), scores.shape)
    mean = float(uncertainty.mean()) if len(scores) else 0.0
    if mean < MIN_ACTION_ENTROPY:
        return None
    spread = float(np.std(scores + uncertainty, ddof=1)) if len(scores) > 1 else math.nan
    return Agency(
        eta=1.0 + float(scores.mean()) / mean,
        standard_error=spread / math.sqrt(len(scores)) / mean,
        action_entropy=mean,
        samples=len(scores),
    )


def closed_loop_agency(action_log_probs: ArrayLike, continuation_log_probs: ArrayLike) -> Agency | None:
    """Agency over one's own next symbols, from continuations scored under every counterfactual action.

    I = Σ_a p(a) E_{o ~ p(·|a)} [ln p(o | a) − ln Σ_{a′} p(a′) p(o | a′)], averaged over contexts, over
    the mean H(A).

    Args:
        action_log_probs: ln p(a | h) of the counterfactual actions, (C, A); renormalised here.
        continuation_log_probs: ln p(o_{a,s} | a′, h), (C, A, S, A′), for S continuations of each action.

    Returns:
        None when the actions carry less than MIN_ACTION_ENTROPY.
    """
    actions = np.asarray(action_log_probs, dtype=np.float64)
    scores = np.asarray(continuation_log_probs, dtype=np.float64)
    actions = actions - _log_sum(actions, axis=1)[:, None]
    weights = np.exp(actions)
    entropies = -(weights * np.where(weights > 0, actions, 0.0)).sum(1)
    if float(entropies.mean()) < MIN_ACTION_ENTROPY:
        return None
    own = np.stack([scores[:, action, :, action] for action in range(actions.shape[1])], axis=1)
    mixture = _log_sum(scores + actions[:, None, None, :], axis=3)
    information = (weights[:, :, None] * (own - mixture)).sum(1).mean(1)
    eta = float(information.sum() / entropies.sum())
    return Agency(
        eta=eta,
        standard_error=_ratio_error(information, entropies),
        action_entropy=float(entropies.mean()),
        samples=len(information),
    )


def _log_sum(values: Array, *, axis: int) -> NDArray[np.float64]:
    """Ln Σ exp along an axis."""
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.squeeze(top, axis) + np.log(np.exp(values - top).sum(axis=axis)))


def _ratio_error(numerator: Array, denominator: Array) -> float:
    """Linearised standard error of Σ numerator / Σ denominator over contexts; nan for a single one."""
    count = len(numerator)
    if count < 2:
        return math.nan
    residual = numerator - numerator.sum() / denominator.sum() * denominator
    return float(math.sqrt(count / (count - 1) * (residual**2).sum()) / denominator.sum())
