"""Watching the modules of a brain: recent experience, activity, and principal components as coordinates."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.capabilities import Observable
from brain.vitals.live_sign import NotMeasurableError, UnsupportedError, is_constant
from brain.vitals.live_text import live_pieces
from brain.vitals.perturbation import SKIPPED_STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from brain.ports import Moment
    from brain.vitals.config import ProbeConfig
    from brain.vitals.gaussian import Matrix

MAX_DROPPED_SHARE = 0.01
_VARIANCE_FLOOR = (
    1e-10  # of a unit, relative to its mean square: below, it is constant up to float32 rounding
)
_COMPONENT_FLOOR = (
    1e-4  # of a component's deviation, relative to its module's: a nudge would drown in rounding
)


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Coordinates of one module: some components of the joined activity of one or more architectural modules.

    Attributes:
        names: architectural modules, in order.
        mean: (d,).
        components: (d, k), orthonormal.
        deviation: natural standard deviation along each, (k,).
        kept: share of the variance that they kept when they were found.
    """

    names: tuple[str, ...]
    mean: Matrix
    components: Matrix
    deviation: Matrix
    kept: float


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One clean pass over recent experience.

    Attributes:
        rows: uint8 (B, T), what was read; only rows of finite activity.
        clean: activity by architectural module, (B, T, d) float64.
        coverage: share of units that vary.
        dropped_share: share of rows dropped because their activity is not finite.
        kept_variance: share of the modules' variance that the coordinates keep, their mean; 1 before there are any.
    """

    rows: Tensor
    clean: Mapping[str, Matrix]
    coverage: float
    dropped_share: float
    kept_variance: float = 1.0

    def detail(self) -> dict[str, float]:
        """What a reading made of this pass reports of it."""
        return {
            "coverage": self.coverage,
            "dropped_share": self.dropped_share,
            "kept_variance": self.kept_variance,
        }


class ModuleWatch:
    """Shared by the vital signs that look into modules, so that a tick reads its experience once.

    Args:
        config: what is read and how coarsely it is seen.
        seed: of the generator that picks rows.
    """

    def __init__(self, config: ProbeConfig, *, seed: int) -> None:
        self.config = config
        self.generation = 0  # grows whenever the coordinates change
        self.bases: tuple[Basis, ...] = ()
        self._generator = torch.Generator().manual_seed(seed)
        self._refreshed_seconds = 0.0
        self._neurons = -1
        self._widths: dict[str, int] = {}
        self._seen: tuple[int, Activity] | None = None

    def look(self, moment: Moment) -> Activity:
        """The clean pass of this moment; who asks second in a step gets the first one's.

        Raises:
            NotMeasurableError: when there is no module to watch, or no life in input or activity.
        """
        if self._seen is not None and self._seen[0] == moment.step:
            return self._seen[1]
        require_modules(moment.brain)
        rows = self._recent_rows(moment)
        activity = self._finite_activity(rows, observe(moment.brain, rows))
        self._update_bases(activity, moment)
        shares = [kept_variance(_joined(activity.clean, basis.names), basis) for basis in self.bases]
        activity = replace(activity, kept_variance=float(np.mean(shares)))
        self._seen = (moment.step, activity)
        return activity

    def coordinates(self, activity: Mapping[str, Matrix]) -> list[Matrix]:
        """Activity along each module's components, mean removed, (B, T, k) each."""
        return [(_joined(activity, basis.names) - basis.mean) @ basis.components for basis in self.bases]

    def modules(self) -> list[list[int]]:
        """Which of all coordinates, in order, belong to each module."""
        bounds = np.cumsum([0, *(len(basis.deviation) for basis in self.bases)])
        return [list(range(int(a), int(b))) for a, b in itertools.pairwise(bounds)]

    def nudges(self, noise: Matrix, strength: float) -> dict[str, Tensor]:
        """What moves coordinate j by strength · deviation_j · noise_j; noise is (B, T, Σk)."""
        injected: dict[str, Tensor] = {}
        for basis, own in zip(self.bases, self.modules(), strict=True):
            push = (noise[:, :, own] * (strength * basis.deviation)) @ basis.components.T
            offset = 0
            for name in basis.names:
                width = self._widths[name]
                injected[name] = torch.from_numpy(push[:, :, offset : offset + width]).float()
                offset += width
        return injected

    def tensors(self) -> dict[str, Tensor]:
        """Coordinates and random state, to survive a restart."""
        layout = {
            "generation": self.generation,
            "refreshed_seconds": self._refreshed_seconds,
            "neurons": self._neurons,
            "widths": self._widths,
            "names": [basis.names for basis in self.bases],
            "kept": [basis.kept for basis in self.bases],
        }
        own = {"watch.random": self._generator.get_state(), "watch.layout": _as_tensor(layout)}
        for index, basis in enumerate(self.bases):
            own[f"watch.{index}.mean"] = torch.from_numpy(basis.mean)
            own[f"watch.{index}.components"] = torch.from_numpy(basis.components)
            own[f"watch.{index}.deviation"] = torch.from_numpy(basis.deviation)
        return own

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        if "watch.layout" not in tensors:
            return
        layout = json.loads(bytes(tensors["watch.layout"].cpu().tolist()))
        self.generation = layout["generation"]
        # Without a time they were found by an older release: they are found again at the next look.
        self._refreshed_seconds = layout.get("refreshed_seconds", -math.inf)
        self._neurons, self._widths = layout["neurons"], dict(layout["widths"])
        self._generator.set_state(tensors["watch.random"].cpu())
        self.bases = tuple(
            Basis(
                names=tuple(names),
                kept=layout.get("kept", [1.0] * (index + 1))[index],
                **{
                    part: tensors[f"watch.{index}.{part}"].cpu().double().numpy().copy()
                    for part in ("mean", "components", "deviation")
                },
            )
            for index, names in enumerate(layout["names"])
        )
        self._seen = None

    def _recent_rows(self, moment: Moment) -> Tensor:
        """Pieces of this step's live rows, picked by the watch's own generator, uint8 (B, T)."""
        rows = live_pieces(
            moment.batch,
            longest=self.config.length,
            shortest=SKIPPED_STEPS + 2,
            most=self.config.rows,
            generator=self._generator,
        )
        if is_constant(rows):
            raise NotMeasurableError(
                "the input is constant: without experience there is nothing to integrate"
            )
        return rows

    def _finite_activity(self, rows: Tensor, clean: Mapping[str, Matrix]) -> Activity:
        """Rows of finite activity, with what was dropped and how many units vary."""
        finite = np.logical_and.reduce([np.isfinite(values).all((1, 2)) for values in clean.values()])
        dropped = float(1.0 - finite.mean())
        if dropped > MAX_DROPPED_SHARE:
            raise NotMeasurableError(
                f"{dropped:.0%} of the states are not finite", {"dropped_share": dropped, "coverage": 0.0}
            )
        kept = {name: values[finite] for name, values in clean.items()}
        varying = [_varies(values) for values in kept.values()]
        coverage = float(np.concatenate(varying).mean())
        if coverage == 0.0:
            raise NotMeasurableError("every unit is constant", {"collapsed": 1.0, "coverage": 0.0})
        return Activity(
            rows=rows[torch.from_numpy(finite)], clean=kept, coverage=coverage, dropped_share=dropped
        )

    def _update_bases(self, activity: Activity, moment: Moment) -> None:
        """Find the coordinates again when they are old, have lost the activity, or the brain grew."""
        widths = {name: values.shape[-1] for name, values in activity.clean.items()}
        neurons = moment.brain.num_neurons()
        if widths == self._widths and neurons == self._neurons and not self._stale(activity, moment):
            return
        names = list(widths)
        parts = np.array_split(np.arange(len(names)), min(self.config.modules, len(names)))
        groups = [tuple(names[index] for index in part) for part in parts]
        found = [
            principal_components(_joined(activity.clean, group), group, self.config.components)
            for group in groups
        ]
        bases = tuple(basis for basis in found if basis is not None)
        if len(bases) < 2:
            raise NotMeasurableError(
                f"{len(bases)} of {len(groups)} modules vary; at least two are needed",
                {"coverage": activity.coverage},
            )
        self.bases, self._widths, self._neurons = bases, widths, neurons
        self._refreshed_seconds = moment.training_seconds
        self.generation += 1

    def _stale(self, activity: Activity, moment: Moment) -> bool:
        if len(self.bases) < 2:
            return True
        if moment.training_seconds - self._refreshed_seconds >= self.config.refresh_every_seconds:
            return True
        left = [
            kept_variance(_joined(activity.clean, basis.names), basis) / basis.kept for basis in self.bases
        ]
        return float(np.mean(left)) < self.config.refresh_below


def observe(brain: object, rows: Tensor, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Matrix]:
    """Activity of each module, (B, T, d) float64 on the CPU.

    Raises:
        UnsupportedError: the brain cannot be watched.
    """
    watched = require_modules(brain)
    activity = watched.observe(rows, inject=inject)
    return {name: activity[name].detach().cpu().double().numpy() for name in watched.module_names}


def require_modules(brain: object) -> Observable:
    """The brain, once it is known that it can be watched.

    Raises:
        UnsupportedError: it cannot.
    """
    if not isinstance(brain, Observable):
        raise UnsupportedError("this brain has no modules that can be watched")
    return brain


def principal_components(values: Matrix, names: tuple[str, ...], num_components: int) -> Basis | None:
    """Leading components of (B, T, d) by subspace iteration; None for a constant module."""
    flat = values[:, SKIPPED_STEPS:].reshape(-1, values.shape[-1])
    mean = flat.mean(0)
    centred = np.where(_varies(values), flat - mean, 0.0)
    total = float(np.sqrt((centred**2).sum(1).mean()))
    if total == 0.0:
        return None
    width = centred.shape[1]
    guess = np.random.default_rng(0).normal(size=(width, min(width, num_components + 8)))
    for _ in range(6):
        guess = np.linalg.qr(centred.T @ (centred @ guess))[0]
    _, _, rotation = np.linalg.svd(centred @ guess, full_matrices=False)
    components = (guess @ rotation.T)[:, :num_components]
    deviation = (centred @ components).std(0)
    strong = deviation > _COMPONENT_FLOOR * total
    return Basis(
        names=names,
        mean=mean,
        components=components[:, strong],
        deviation=deviation[strong],
        kept=float((deviation[strong] ** 2).sum() / total**2),
    )


def kept_variance(values: Matrix, basis: Basis) -> float:
    """Share of the variance of (B, T, d) along a basis's components; 0 where nothing varies."""
    flat = values[:, SKIPPED_STEPS:].reshape(-1, values.shape[-1])
    centred = flat - flat.mean(0)
    total = float((centred**2).sum())
    return float(((centred @ basis.components) ** 2).sum() / total) if total > 0.0 else 0.0


def _varies(values: Matrix) -> NDArray[np.bool_]:
    """Which units of (B, T, d) vary after the first steps."""
    flat = values[:, SKIPPED_STEPS:].reshape(-1, values.shape[-1])
    return np.asarray(flat.var(0) > _VARIANCE_FLOOR * np.maximum((flat**2).mean(0), 1e-30))


def _joined(activity: Mapping[str, Matrix], names: tuple[str, ...]) -> Matrix:
    return (
        activity[names[0]] if len(names) == 1 else np.concatenate([activity[name] for name in names], axis=-1)
    )


def _as_tensor(value: object) -> Tensor:
    return torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)
