"""Integration of a live brain: effective dependence of its modules, with the sign of the O-information."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.vitals.dependence import (
    effective_dependence,
    gaussian_copula,
    gaussian_dependence,
    total_correlation_bias,
)
from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError, WarmingUpError
from brain.vitals.perturbation import SKIPPED_STEPS
from brain.vitals.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Moment, Reading
    from brain.vitals.config import IntegrationConfig
    from brain.vitals.gaussian import Matrix
    from brain.vitals.module_watch import ModuleWatch

_BLOCKS = 16


class IntegrationSign(LiveSign):
    """D = 1 − e^(−2 TC / (M − 1)) over the leading component of each module, after Gaussian-copula ranks."""

    name = "integration"

    def __init__(
        self,
        config: IntegrationConfig,
        *,
        watch: ModuleWatch,
        seed: int,  # noqa: ARG002 - nothing is drawn here; the watch draws
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config, self.watch = config, watch
        self.version = self._version_of(watch.config.modules)
        self._current = Window(config.window_states, ("states",))
        self._former = Window(config.window_states, ("states",))  # serves while the current one is not full
        self._generation = -1

    def observe(self, moment: Moment) -> None:
        """Nothing to gather between ticks: a tick reads that step's batch."""

    def _estimate(self, moment: Moment) -> Reading:
        activity = self.watch.look(moment)
        self.version = self._version_of(len(self.watch.bases))
        if self._generation != self.watch.generation:
            if len(self._current) == self.config.window_states:
                self._former, self._current = self._current, self._former
            self._current.clear()
            self._generation = self.watch.generation
        leading = [scores[:, SKIPPED_STEPS:, 0] for scores in self.watch.coordinates(activity.clean)]
        self._current.add(torch.from_numpy(np.stack([part.reshape(-1) for part in leading], axis=1)))
        if len(self._current) == self.config.window_states:
            self._former.clear()
        (states,) = (self._former if len(self._former) else self._current).arrays()
        detail = activity.detail()
        return self._dependence(states, detail)

    def _version_of(self, modules: int) -> str:
        return f"1 M={modules} copula window={self.config.window_states}"

    def _dependence(self, states: Matrix, detail: Mapping[str, float]) -> Reading:
        samples, modules = states.shape
        if samples < 10 * modules:
            raise WarmingUpError(f"insufficient samples: {samples} of {10 * modules}", detail)
        if (states.std(0) == 0).any():
            raise NotMeasurableError("a module is constant over the window", {**detail, "collapsed": 1.0})
        scores = gaussian_copula(states)
        found = gaussian_dependence(np.corrcoef(scores, rowvar=False))
        bias = total_correlation_bias(modules, samples)
        parts = np.array_split(np.arange(samples), _BLOCKS)
        left_out = [
            gaussian_dependence(np.corrcoef(np.delete(scores, part, axis=0), rowvar=False)).effective
            for part in parts
        ]
        return self._reading(
            effective_dependence(found.total_correlation - bias, modules),
            uncertainty=float(np.sqrt((_BLOCKS - 1) * np.var(left_out))),
            samples=samples,
            detail={
                **detail,
                "total_correlation": found.total_correlation,
                "bias": bias,
                "o_information": found.o_information,
                "modules": float(modules),
            },
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Both windows and the coordinates they were seen in."""
        own = {"generation": torch.tensor([self._generation])}
        return own | self._current.tensors("current") | self._former.tensors("former") | self.watch.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the windows back."""
        if "generation" not in tensors:
            return
        self.watch.load(tensors)
        self._generation = int(tensors["generation"][0])
        self._current.load(tensors, "current")
        self._former.load(tensors, "former")
