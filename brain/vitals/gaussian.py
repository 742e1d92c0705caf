"""Stationary Gaussian systems: Lyapunov covariance, time-delayed information, Φ_G at a partition.

Everything is float64 and in nats. A system is x′ = A x + e, e ~ N(0, E), with stationary covariance S.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Matrix = NDArray[np.float64]
Partition = tuple[tuple[int, ...], ...]

# Relative floor for the smallest eigenvalue of a covariance: duplicates and noiseless nodes stay finite.
EIGENVALUE_FLOOR = 1e-10
_MAX_SWEEPS = 500
_BATCH = 512  # partitions solved at once; bounds memory for large systems
_STIFF = 1e5  # condition of the noise beyond which block by block creeps along a narrow valley
_MAX_JOINT = 600  # unknowns that a joint update may have
_MAX_JOINT_STEPS = 300
_PRUNE_ABOVE = 35 * 16**3  # cuts × nodes³ beyond which hopeless cuts are given up early


@dataclass(frozen=True, kw_only=True)
class Phi:
    """Φ_G in nats at its partition; `sweeps` is how many the solver took."""

    nats: float
    cut: Partition
    sweeps: int


def symmetric(matrix: Matrix) -> Matrix:
    """The symmetric part, over the last two axes."""
    return np.asarray((matrix + np.swapaxes(matrix, -1, -2)) / 2)


def as_square(matrix: ArrayLike, name: str) -> Matrix:
    """A finite square float64 matrix.

    Raises:
        ValueError: naming the matrix and what is wrong with it.
    """
    square = np.asarray(matrix, dtype=np.float64)
    if square.ndim != 2 or square.shape[0] != square.shape[1] or square.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix, not of shape {square.shape}")
    if not np.isfinite(square).all():
        raise ValueError(f"{name} has a value that is not finite")
    return square


def as_covariance(matrix: ArrayLike, name: str, *, floor: float = EIGENVALUE_FLOOR) -> Matrix:
    """A covariance whose smallest eigenvalues are raised to the floor, so that logarithms stay finite.

    Raises:
        ValueError: when it is not symmetric, clearly indefinite or zero altogether.
    """
    square = as_square(matrix, name)
    if not np.allclose(square, square.T, rtol=1e-8, atol=1e-12 * float(np.abs(square).max())):
        raise ValueError(f"{name} must be symmetric")
    square = symmetric(square)
    values, vectors = np.linalg.eigh(square)
    if values[-1] <= 0:
        raise ValueError(f"{name} has no variance at all")
    if values[0] < -1e-8 * values[-1]:
        raise ValueError(f"{name} is not positive semi-definite (eigenvalue {values[0]:.3g})")
    if values[0] >= floor * values[-1]:
        return square
    return symmetric((vectors * np.maximum(values, floor * values[-1])) @ vectors.T)


def log_determinant(covariance: Matrix) -> Matrix:
    """ln|C| of positive definite matrices, over the last two axes."""
    return np.asarray(np.linalg.slogdet(covariance)[1])


def stationary_covariance(transition: ArrayLike, noise: ArrayLike) -> Matrix:
    """S with S = A S Aᵀ + E, by doubling: positive semi-definite all the way, even close to instability.

    Raises:
        ValueError: when the spectral radius is 1 or more, so that there is no stationary state.

    Source: Smith 1968, SIAM J. Appl. Math. 16:198 (squared iteration).
    """
    power = as_square(transition, "A")
    covariance = as_covariance(noise, "Q")
    if power.shape != covariance.shape:
        raise ValueError(f"A is {power.shape} but Q is {covariance.shape}")
    radius = float(np.abs(np.linalg.eigvals(power)).max())
    if radius >= 1:
        raise ValueError(
            f"A has spectral radius {radius:.6g}: a system at or above 1 has no stationary state"
        )
    for _ in range(64):
        step = power @ covariance @ power.T
        covariance = symmetric(covariance + step)
        power = power @ power
        if np.abs(step).max() <= 1e-17 * np.abs(covariance).max():
            break
    return covariance


def time_delayed_information(covariance: Matrix, noise: Matrix) -> float:
    """I(x_t; x_{t+1}) = ½ ln(|S| / |E|)."""
    return 0.5 * float(log_determinant(covariance) - log_determinant(noise))


def as_partition(parts: Sequence[Sequence[int]], size: int) -> Partition:
    """A partition of range(size), checked.

    Raises:
        ValueError: when a node is missing, named twice or unknown, or when there are fewer than two parts.
    """
    blocks = tuple(tuple(int(node) for node in part) for part in parts)
    if sorted(node for block in blocks for node in block) != list(range(size)) or not all(blocks):
        raise ValueError(f"partition {blocks} must name each of the nodes 0 to {size - 1} exactly once")
    if len(blocks) < 2:
        raise ValueError("a partition needs at least two parts")
    return blocks


def balanced_bipartitions(modules: int) -> list[Partition]:
    """All ways to halve `modules` things; an odd one out joins the second part.

    >>> balanced_bipartitions(4)
    [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    """
    if modules < 2:
        raise ValueError("a cut needs at least two modules")
    half = modules // 2
    cuts: list[Partition] = []
    for first in combinations(range(modules), half):
        if modules % 2 == 0 and first[0] != 0:
            break  # the other half was taken already
        cuts.append((first, tuple(node for node in range(modules) if node not in first)))
    return cuts


def phi_at(
    transition: ArrayLike, covariance: ArrayLike, noise: ArrayLike, partition: Sequence[Sequence[int]]
) -> Phi:
    """Φ_G at one partition: min over block-diagonal A′ of ½ ln(|E + (A−A′) S (A−A′)ᵀ| / |E|).

    Source: Oizumi, Tsuchiya, Amari 2016, PNAS 113:14817.
    """
    system = _system(transition, covariance, noise)
    cut = as_partition(partition, system[0].shape[0])
    nats, sweeps = _solve(*_arranged(system, [cut]), _blocks(cut), prune=False)
    return Phi(nats=float(nats[0]), cut=cut, sweeps=sweeps)


def phi_of_each(
    systems: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]], partition: Sequence[Sequence[int]]
) -> Matrix:
    """Φ_G in nats of several systems (A, S, E) of one size at one partition, solved together; (P,)."""
    checked = [_system(*system) for system in systems]
    cut = as_partition(partition, checked[0][0].shape[0])
    arranged = [_arranged(system, [cut]) for system in checked]
    gap, spread, residual = (np.concatenate(parts) for parts in zip(*arranged, strict=True))
    return _solve(gap, spread, residual, _blocks(cut), prune=False)[0]


def minimum_phi(
    transition: ArrayLike,
    covariance: ArrayLike,
    noise: ArrayLike,
    modules: Sequence[Sequence[int]] | None = None,
) -> Phi:
    """The smallest Φ_G over the balanced bipartitions of the modules; `cut` names modules, not nodes.

    Args:
        transition: A (n, n).
        covariance: S (n, n).
        noise: E (n, n).
        modules: nodes of each module; None makes every node one.
    """
    system = _system(transition, covariance, noise)
    size = system[0].shape[0]
    groups = as_partition(modules, size) if modules is not None else tuple((node,) for node in range(size))
    by_sizes: dict[tuple[int, ...], list[tuple[Partition, Partition]]] = {}
    for cut in balanced_bipartitions(len(groups)):
        nodes = tuple(tuple(node for module in part for node in groups[module]) for part in cut)
        by_sizes.setdefault(tuple(len(part) for part in nodes), []).append((cut, nodes))
    best = Phi(nats=np.inf, cut=(), sweeps=0)
    for pairs in by_sizes.values():
        remaining = iter(pairs)
        while chunk := list(islice(remaining, _BATCH)):
            nats, sweeps = _solve(
                *_arranged(system, [nodes for _, nodes in chunk]),
                _blocks(chunk[0][1]),
                prune=len(chunk) * size**3 > _PRUNE_ABOVE,
                ceiling=best.nats,
            )
            winner = int(np.argmin(nats))
            if nats[winner] < best.nats:
                best = Phi(nats=float(nats[winner]), cut=chunk[winner][0], sweeps=max(best.sweeps, sweeps))
    return best


def _system(transition: ArrayLike, covariance: ArrayLike, noise: ArrayLike) -> tuple[Matrix, Matrix, Matrix]:
    """A, S, E with unit noise at every node: Φ_G does not depend on a node's scale, rounding does."""
    matrix = as_square(transition, "A")
    residual = as_covariance(noise, "E")
    # S is at least E; the same floor, relative to its larger eigenvalues, would add noise that is not there.
    spread = as_covariance(covariance, "S", floor=1e-14)
    if not matrix.shape == spread.shape == residual.shape:
        raise ValueError(f"A, S and E differ in shape: {matrix.shape}, {spread.shape}, {residual.shape}")
    scale = np.sqrt(np.diagonal(residual))
    return matrix * scale / scale[:, None], spread / np.outer(scale, scale), residual / np.outer(scale, scale)


def _blocks(cut: Partition) -> list[slice]:
    """Where the parts of a cut lie once its nodes are put in order."""
    bounds = np.cumsum([0, *(len(part) for part in cut)])
    return [slice(int(start), int(stop)) for start, stop in pairwise(bounds)]


def _arranged(system: tuple[Matrix, Matrix, Matrix], cuts: list[Partition]) -> tuple[Matrix, Matrix, Matrix]:
    """A, S, E with the nodes in the order of each cut, (P, n, n) each."""
    order = np.array([[node for part in cut for node in part] for cut in cuts])
    rows, columns = order[:, :, None], order[:, None, :]
    transition, spread, residual = (matrix[rows, columns] for matrix in system)
    return transition, spread, residual


def _solve(
    transition: Matrix,
    spread: Matrix,
    residual: Matrix,
    blocks: list[slice],
    *,
    prune: bool,
    ceiling: float = np.inf,
) -> tuple[Matrix, int]:
    """Φ_G of arranged systems, (P,), inf where one was given up as not the smallest; and the sweeps taken.

    Alternates the covariance E′ = E + D S Dᵀ, D = A − A′, with a generalised least squares update of each
    diagonal block of D, beginning at 0; every sweep lowers ln|E′| (it minimises a majorant). ln|E′| is not
    convex and can have several valleys: Φ_G is, by definition here, the bottom of the one reached from there.
    Persistent systems have long plateaus: what has not settled after the last sweep is finished by a
    quasi-Newton descent. With `prune` a system whose extrapolated limit stays above the best is given up.
    """
    gap = transition.copy()
    for block in blocks:
        gap[:, block, block] = 0.0
    inverses: list[Matrix] = [np.asarray(np.linalg.inv(spread[:, block, block])) for block in blocks]
    base = log_determinant(residual)

    result = np.full(len(gap), np.inf)
    alive = np.arange(len(gap))
    systems = gap.copy(), spread, residual
    value = 0.5 * (log_determinant(residual + gap @ spread @ np.swapaxes(gap, 1, 2)) - base)
    fall = np.full(len(gap), np.inf)
    for sweep in range(1, _MAX_SWEEPS + 1):
        for block, inverse in zip(blocks, inverses, strict=True):
            gap[:, block, block] += _block_step(gap, spread, residual, block, inverse)
        before, last_fall = value, fall
        value = 0.5 * (log_determinant(residual + gap @ spread @ np.swapaxes(gap, 1, 2)) - base)
        fall = np.maximum(before - value, 0.0)
        done = fall < 1e-11
        result[alive[done]] = value[done]
        ratio = np.clip(fall / np.maximum(last_fall, 1e-300), 0.0, 0.98)
        limit = value - 4 * fall * ratio / (1 - ratio)
        smallest = min(ceiling, float(result.min()), float(value.min()))
        keep = ~done & ((limit <= smallest + 1e-9) | (sweep < 4) | (not prune))
        if not keep.any():
            break
        if not keep.all():
            alive, value, fall, gap = alive[keep], value[keep], fall[keep], gap[keep]
            spread, residual, base = spread[keep], residual[keep], base[keep]
            inverses = [inverse[keep] for inverse in inverses]
    else:
        for index, one in enumerate(alive):
            result[one] = _descend(gap[index], spread[index], residual[index], blocks) - 0.5 * base[index]
    for one in np.flatnonzero(np.isfinite(result)):
        begun, around, noise = (part[one] for part in systems)
        if np.linalg.cond(noise) > _STIFF:
            joint = _descend_jointly(begun, around, noise, blocks) - 0.5 * float(log_determinant(noise))
            result[one] = min(result[one], joint)
    return np.maximum(result, 0.0), sweep


def _block_step(gap: Matrix, spread: Matrix, residual: Matrix, block: slice, inverse: Matrix) -> Matrix:
    """Change of one diagonal block of D that zeroes the gradient of tr(E′⁻¹ D S Dᵀ) in it, (P, b, b)."""
    size = gap.shape[-1]
    rest = np.r_[0 : block.start, block.stop : size]
    product = gap @ spread
    around = residual + product @ np.swapaxes(gap, 1, 2)
    seen = around[:, block][:, :, rest]
    weights = np.linalg.solve(around[:, rest[:, None], rest], np.swapaxes(seen, 1, 2))
    pull = np.swapaxes(weights, 1, 2) @ product[:, rest, block] - product[:, block, block]
    return np.asarray(pull @ inverse)


def _descend(gap: Matrix, spread: Matrix, residual: Matrix, blocks: list[slice]) -> float:
    """½ ln|E + D S Dᵀ| at the bottom of the valley in which D (n, n) lies; only diagonal blocks move."""
    free = np.zeros(gap.shape, dtype=bool)
    for block in blocks:
        free[block, block] = True

    def objective(values: Matrix) -> tuple[float, Matrix]:
        moved = gap.copy()
        moved[free] = values
        product = moved @ spread
        around = symmetric(residual + product @ moved.T)
        gradient = np.linalg.solve(around, product)
        return 0.5 * float(log_determinant(around)), np.asarray(gradient[free])

    # Half a second and 30 MB to import, and seldom needed.
    from scipy.optimize import minimize  # noqa: PLC0415

    start = gap[free]
    options: dict[str, float] = {"gtol": 1e-9, "maxiter": 2000} if len(start) <= 128 else {"maxiter": 2000}
    method = "BFGS" if len(start) <= 128 else "L-BFGS-B"
    found = minimize(objective, start, jac=True, method=method, options=options)  # type: ignore[call-overload]
    return min(float(found.fun), objective(start)[0])


def _descend_jointly(gap: Matrix, spread: Matrix, residual: Matrix, blocks: list[slice]) -> float:
    """½ ln|E + D S Dᵀ| after generalised least squares updates of all diagonal blocks of D (n, n) at once.

    Close to singular noise the valley is narrow and askew to the blocks; only moving all at once follows it.
    """
    moved, best, last = gap.copy(), np.inf, np.inf
    if sum((block.stop - block.start) ** 2 for block in blocks) > _MAX_JOINT:
        return best
    for _ in range(_MAX_JOINT_STEPS):
        product = moved @ spread
        around = symmetric(residual + product @ moved.T)
        value = 0.5 * float(log_determinant(around))
        best, last, fall = min(best, value), value, last - value
        if abs(fall) < 1e-13:
            break
        weight = np.linalg.inv(around)
        pull = weight @ product
        unknown = np.block([[np.kron(weight[i, j], spread[i, j]) for j in blocks] for i in blocks])
        wanted = np.concatenate([pull[block, block].ravel() for block in blocks])
        step = np.linalg.lstsq(unknown, -wanted, rcond=None)[0]
        start = 0
        for block in blocks:
            size = block.stop - block.start
            moved[block, block] += step[start : start + size**2].reshape(size, size)
            start += size**2
    return best
