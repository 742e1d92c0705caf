"""Φ from randomised perturbation: what a known nudge to each module does to all others one step later.

Two passes over the same input, one clean, one with noise ξ injected along the modules' coordinates after each
step. Coordinates are in units of the injected noise, so Cov(ξ) = I. The deviation obeys
Δ_{t+1} = A Δ_t + (I + B) ξ_{t+1} + r.

Source: Oizumi, Tsuchiya, Amari 2016 (Φ_G); Balduzzi & Tononi 2008 and Casali et al. 2013 (perturbation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brain.vitals.gaussian import (
    Matrix,
    Partition,
    minimum_phi,
    phi_of_each,
    symmetric,
    time_delayed_information,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SKIPPED_STEPS = 8  # from a reset state the deviation needs a few steps to become stationary
TRUSTED_SAMPLES = 4_000  # below this many, φ under TRUSTED_PHI counts as zero
TRUSTED_PHI = 0.1


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Second moments of z = (Δ_t, ξ_{t+1}, Δ_{t+1}), summed over positions, in jackknife groups.

    Attributes:
        gram: Σ w z zᵀ, (G, 3n, 3n).
        weight: Σ w over positions.
        weight_squared: Σ w², for Kish's effective number of samples.
    """

    gram: Matrix
    weight: float
    weight_squared: float

    @property
    def samples(self) -> float:
        """Kish's effective number of samples, (Σ w)² / Σ w²."""
        return self.weight**2 / self.weight_squared if self.weight_squared > 0 else 0.0

    def followed_by(self, newer: Moments, *, decay: float) -> Moments:
        """These moments weighed down by `decay`, plus newer ones."""
        return Moments(
            gram=decay * self.gram + newer.gram,
            weight=decay * self.weight + newer.weight,
            weight_squared=decay**2 * self.weight_squared + newer.weight_squared,
        )


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """The linear law of the deviations: A, I + B, Cov(r), S = ⟨ΔΔᵀ⟩ and E, all (n, n)."""

    transition: Matrix
    response: Matrix
    residual: Matrix
    covariance: Matrix
    noise: Matrix


@dataclass(frozen=True, kw_only=True)
class PerturbationalPhi:
    """Φ over modules.

    Attributes:
        phi: √(1 − e^(−2Φ)) of the bias-corrected nats, zero where it cannot be told from zero.
        raw: the same before that; negative when the bias is larger than the estimate.
        nats: Φ_G at the smallest cut, bias included.
        bias: its expected excess.
        tdmi: I(Δ_t; Δ_{t+1}) in nats.
        standard_error: of `phi`, by jackknife over the groups in nats, carried over to its scale.
        cut: modules of both halves.
        samples: effective positions.
    """

    phi: float
    raw: float
    nats: float
    bias: float
    tdmi: float
    standard_error: float
    cut: Partition
    samples: float


def transition_moments(
    deviation: Matrix, noise: Matrix, *, skip: int = SKIPPED_STEPS, groups: int = 8
) -> Moments:
    """Moments of one pass.

    Args:
        deviation: Δ (B, T, n), perturbed minus clean, in units of the injected noise.
        noise: ξ (B, T, n).
        skip: first steps of each row left out.
        groups: rows are dealt into this many groups, for the jackknife.

    Raises:
        ValueError: when no transition is left after the skipped steps.
    """
    rows, steps, size = deviation.shape
    if steps - skip < 2:
        raise ValueError(f"rows of {steps} positions leave no transition after {skip} skipped ones")
    joined = np.concatenate([deviation[:, skip:-1], noise[:, skip + 1 :], deviation[:, skip + 1 :]], axis=2)
    gram = np.zeros((groups, 3 * size, 3 * size))
    for row in range(rows):
        gram[row % groups] += joined[row].T @ joined[row]
    count = float(rows * (steps - skip - 1))
    return Moments(gram=gram, weight=count, weight_squared=count)


def linear_dynamics(gram: Matrix, weight: float) -> Dynamics:
    """Regress Δ_{t+1} on (Δ_t, ξ_{t+1}); E = (I + B)(I + B)ᵀ + Cov(r) is never indefinite."""
    mean = symmetric(gram / weight)
    size = len(mean) // 3
    known, cross, after = (
        mean[: 2 * size, : 2 * size],
        mean[2 * size :, : 2 * size],
        mean[2 * size :, 2 * size :],
    )
    ridge = 1e-12 * float(np.trace(known)) / (2 * size)
    coefficients: Matrix = np.asarray(np.linalg.solve(known + ridge * np.eye(2 * size), cross.T).T)
    values, vectors = np.linalg.eigh(symmetric(after - coefficients @ cross.T))
    residual = symmetric((vectors * np.maximum(values, 0.0)) @ vectors.T)
    response = coefficients[:, size:]
    return Dynamics(
        transition=coefficients[:, :size],
        response=response,
        residual=residual,
        covariance=mean[:size, :size],
        noise=symmetric(response @ response.T + residual),
    )


def phi_bias(residual: Matrix, first: int, second: int, samples: float) -> float:
    """(n₁ n₂ / N) · mean[R / (R + 1)]: what sampling noise in the cut connections adds, in nats."""
    variance = np.diagonal(residual)
    return first * second / samples * float((variance / (variance + 1.0)).mean())


def linfoot(nats: float) -> float:
    """√(1 − e^(−2Φ)), odd, so that a negative estimate stays visible. Source: Linfoot 1957."""
    return math.copysign(math.sqrt(-math.expm1(-2.0 * abs(nats))), nats)


def perturbational_phi(moments: Moments, modules: Sequence[Sequence[int]]) -> PerturbationalPhi:
    """Smallest bias-corrected Φ_G over the balanced bipartitions of the modules, with its jackknife error.

    Args:
        moments: accumulated over positions.
        modules: coordinates of each module.
    """
    dynamics = linear_dynamics(moments.gram.sum(0), moments.weight)
    smallest = minimum_phi(dynamics.transition, dynamics.covariance, dynamics.noise, modules)
    nodes = [[node for module in part for node in modules[module]] for part in smallest.cut]
    bias = phi_bias(dynamics.residual, len(nodes[0]), len(nodes[1]), moments.samples)
    corrected = smallest.nats - bias
    raw = linfoot(corrected)
    unsure = moments.samples < TRUSTED_SAMPLES and raw < TRUSTED_PHI
    return PerturbationalPhi(
        phi=0.0 if unsure else max(raw, 0.0),
        raw=raw,
        nats=smallest.nats,
        bias=bias,
        tdmi=time_delayed_information(dynamics.covariance, dynamics.noise),
        standard_error=_on_the_scale(corrected, _jackknife_error(moments, nodes)),
        cut=smallest.cut,
        samples=moments.samples,
    )


def phi_at_cut(moments: Moments, nodes: Sequence[Sequence[int]]) -> float:
    """Bias-corrected φ of these moments at one given cut of coordinates; may be negative."""
    dynamics = linear_dynamics(moments.gram.sum(0), moments.weight)
    nats = phi_of_each([(dynamics.transition, dynamics.covariance, dynamics.noise)], nodes)[0]
    return linfoot(float(nats) - phi_bias(dynamics.residual, len(nodes[0]), len(nodes[1]), moments.samples))


def _jackknife_error(moments: Moments, nodes: Sequence[Sequence[int]]) -> float:
    """Delete-one-group standard error of Φ_G at the cut in nats; nan with fewer than two filled groups."""
    size = moments.gram.shape[1] // 3
    counts = np.trace(moments.gram[:, size : 2 * size, size : 2 * size], axis1=1, axis2=2)
    filled = [group for group in range(len(counts)) if counts[group] > 0]
    if len(filled) < 2:
        return math.nan
    total = moments.gram.sum(0)
    systems = []
    for group in filled:
        left = moments.weight * (1.0 - counts[group] / counts.sum())
        dynamics = linear_dynamics(total - moments.gram[group], left)
        systems.append((dynamics.transition, dynamics.covariance, dynamics.noise))
    return float(np.sqrt((len(filled) - 1) * np.var(phi_of_each(systems, nodes))))


def _on_the_scale(nats: float, error: float) -> float:
    """Half the width of nats ± error on φ's scale: its slope there, and finite at zero, where the slope is not."""
    return (linfoot(nats + error) - linfoot(nats - error)) / 2.0
