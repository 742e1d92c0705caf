"""Φ of a live brain by randomised perturbation."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.vitals.live_controls import LiveControls
from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError
from brain.vitals.module_watch import MAX_DROPPED_SHARE, Activity, ModuleWatch, observe, require_modules
from brain.vitals.perturbation import (
    TRUSTED_SAMPLES,
    Moments,
    perturbational_phi,
    phi_at_cut,
    transition_moments,
)
from brain.vitals.twins import BROKEN, DISCONNECTED, UNTRAINED, twin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Moment, Reading
    from brain.vitals.config import PhiConfig
    from brain.vitals.gaussian import Matrix


@dataclass(frozen=True)
class _Accumulated:
    """Moments gathered in one set of coordinates, and which coordinates belong to which module."""

    moments: Moments
    modules: list[list[int]]


class PhiSign(LiveSign):
    """Perturbational Φ_G over modules, the smallest balanced cut, on the scale √(1 − e^(−2Φ))."""

    name = "phi"

    def __init__(
        self,
        config: PhiConfig,
        *,
        watch: ModuleWatch,
        seed: int,
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config, self.watch = config, watch
        self._seed = seed
        self._controls = LiveControls((DISCONNECTED, UNTRAINED), every_ticks=config.control_every_ticks)
        self._of_control: dict[str, PhiSign] = {}
        self.version = self._version_of(watch.config.modules, watch.config.components)
        self._decay = 0.5 ** (1.0 / config.half_life_ticks)
        self._generator = torch.Generator().manual_seed(seed)
        self._current: _Accumulated | None = None
        self._former: _Accumulated | None = None  # serves while the current one is too young
        self._generation = -1

    def observe(self, moment: Moment) -> None:
        """Nothing to gather between ticks: a tick reads that step's batch."""

    def _estimate(self, moment: Moment) -> Reading:
        require_modules(moment.brain)
        if control := self._controls.due():
            self._measure_control(control, moment)
        activity = self.watch.look(moment)
        tick, dropped = self._nudged_pass(moment, activity)
        self._accumulate(tick)
        serving = self._serving()
        self.version = self._version_of(len(serving.modules), max(map(len, serving.modules)))
        size = serving.moments.gram.shape[1] // 3
        if serving.moments.samples < 10 * size:
            raise NotMeasurableError(
                f"insufficient samples: {serving.moments.samples:.0f} of {10 * size}",
                {"coverage": activity.coverage, **self._controls.detail()},
            )
        found = perturbational_phi(serving.moments, serving.modules)
        detail = {
            "nats": found.nats,
            "bias": found.bias,
            "tdmi": found.tdmi,
            "modules": float(len(serving.modules)),
            "coordinates": float(size),
            "nudge": self.config.nudge,
            **activity.detail(),
            **self._controls.detail(),
            "dropped_share": max(dropped, activity.dropped_share),
        }
        if serving is self._current:
            nodes = [[node for module in part for node in serving.modules[module]] for part in found.cut]
            detail["tick"] = phi_at_cut(tick, nodes)
        detail |= {f"cut.{module}": float(half) for half, part in enumerate(found.cut) for module in part}
        return self._reading(
            found.raw, value=found.phi, uncertainty=found.standard_error, samples=found.samples, detail=detail
        )

    def _measure_control(self, control: str, moment: Moment) -> None:
        """Φ of a twin of the brain over the same experience, with accumulators and coordinates of its own."""
        if control not in self._of_control:
            own_watch = ModuleWatch(self.watch.config, seed=self._seed)
            self._of_control[control] = PhiSign(
                replace(self.config, control_every_ticks=0), watch=own_watch, seed=self._seed
            )
        value = error = None
        with suppress(*BROKEN):
            twin = twin_of(moment.brain, control, seed=self._seed)
            found = self._of_control[control].measure(replace(moment, brain=twin))
            # Uncut: below the trusted number of samples the value of a small φ is 0, which a control must not seem.
            value = None if found.raw is None else max(found.raw, 0.0)
            error = found.uncertainty
        self._controls.note(control, value, error, step=moment.step)

    def _version_of(self, modules: int, components: int) -> str:
        return f"1 M={modules} k={components} alpha={self.config.nudge:g}"

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Accumulators, coordinates and random state."""
        own = {"random": self._generator.get_state(), "generation": torch.tensor([self._generation])}
        for name, kept in (("current", self._current), ("former", self._former)):
            if kept is not None:
                own[f"{name}.gram"] = torch.from_numpy(kept.moments.gram)
                own[f"{name}.weights"] = torch.tensor(
                    [kept.moments.weight, kept.moments.weight_squared], dtype=torch.float64
                )
                own[f"{name}.sizes"] = torch.tensor([len(part) for part in kept.modules])
        return own | self.watch.tensors() | self._controls.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the accumulators back; without them Φ starts to gather again."""
        if "random" not in tensors:
            return
        self.watch.load(tensors)
        self._controls.load(tensors)
        self._generator.set_state(tensors["random"].cpu())
        self._generation = int(tensors["generation"][0])
        self._current, self._former = _restored(tensors, "current"), _restored(tensors, "former")

    def _nudged_pass(self, moment: Moment, activity: Activity) -> tuple[Moments, float]:
        """Moments of one nudged pass over the rows of the clean one, and the share of rows that broke."""
        pace = next(iter(activity.clean.values())).shape[:2]  # modules may take a step for several bytes
        shape = (*pace, sum(len(part) for part in self.watch.modules()))
        noise = torch.randn(shape, generator=self._generator, dtype=torch.float64).numpy()
        injected = self.watch.nudges(noise, self.config.nudge)
        nudged = self.watch.coordinates(observe(moment.brain, activity.rows, injected))
        clean = self.watch.coordinates(activity.clean)
        deviation = np.concatenate(
            [
                (after - before) / (self.config.nudge * basis.deviation)
                for after, before, basis in zip(nudged, clean, self.watch.bases, strict=True)
            ],
            axis=-1,
        )
        finite = np.isfinite(deviation).all((1, 2))
        dropped = float(1.0 - finite.mean())
        if dropped > MAX_DROPPED_SHARE:
            raise NotMeasurableError(
                f"{dropped:.0%} of the states are not finite", {"dropped_share": dropped}
            )
        return transition_moments(deviation[finite], noise[finite]), dropped

    def _accumulate(self, tick: Moments) -> None:
        if self._generation != self.watch.generation:
            if self._current is not None and self._enough(self._current):
                self._former = self._current
            self._current, self._generation = None, self.watch.generation
        if self._current is None:
            self._current = _Accumulated(tick, self.watch.modules())
        else:
            merged = self._current.moments.followed_by(tick, decay=self._decay)
            self._current = _Accumulated(merged, self._current.modules)
        if self._enough(self._current):
            self._former = None

    def _serving(self) -> _Accumulated:
        """The newest accumulator that holds enough, else the one before, else the newest."""
        assert self._current is not None
        return self._current if self._former is None else self._former

    @staticmethod
    def _enough(kept: _Accumulated) -> bool:
        return kept.moments.samples >= TRUSTED_SAMPLES


def _restored(tensors: Mapping[str, Tensor], name: str) -> _Accumulated | None:
    if f"{name}.gram" not in tensors:
        return None
    gram: Matrix = tensors[f"{name}.gram"].cpu().double().numpy().copy()
    weight, weight_squared = tensors[f"{name}.weights"].tolist()
    modules, start = [], 0
    for size in tensors[f"{name}.sizes"].tolist():
        modules.append(list(range(start, start + size)))
        start += size
    return _Accumulated(Moments(gram=gram, weight=weight, weight_squared=weight_squared), modules)
