"""How the growth sites fare: probed by step and smoothed into the state; a plan is fitted to the probe."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import torch

from brain.growth.history import SiteSignal
from brain.growth.plan import WHOLE_PARTS
from brain.growth.signals import calibrated_scale, read_signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.capabilities import Growable
    from brain.growth.config import GrowthConfig
    from brain.growth.plan import GrowthPlan
    from brain.growth.signals import SiteProbe
    from brain.ports import Batch
    from daemon.trainer.growth.growth_state import GrowthState
    from daemon.trainer.state.progress import Progress

SMOOTHING = 0.5  # of a look's signals


class SiteSignals:
    """Looks at the sites.

    Args:
        state: takes the smoothed signals and the best error.
        config: the limits and rules.
        seed: of the generator that each look draws from, together with its step.
        progress: step and smoothed error.
    """

    def __init__(self, state: GrowthState, config: GrowthConfig, *, seed: int, progress: Progress) -> None:
        self._state = state
        self._config = config
        self._seed = seed
        self._progress = progress

    def look(self, brain: Growable, batch: Batch) -> dict[str, SiteProbe] | None:
        """Probe every site and smooth what it shows into the state; None when a number is not finite."""
        probes = self.probe(brain, batch)
        if not probes:
            return None
        before = self._state.signals
        for name, probe in probes.items():
            seen = asdict(read_signal(probe))
            old = before.get(name, seen)
            before[name] = {key: SMOOTHING * old[key] + (1.0 - SMOOTHING) * seen[key] for key in seen}
        self._follow_error()
        return probes

    def probe(self, brain: Growable, batch: Batch) -> dict[str, SiteProbe]:
        """Every site on a batch, drawn from the step alone; nothing when a number is not finite."""
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + self._progress.step) % 2**63)
        probes = dict(brain.probe_sites(batch, generator))
        sound = all(
            math.isfinite(probe.birth_gradient)
            and bool(torch.isfinite(torch.cat([probe.activity.flatten(), probe.gradient.flatten()])).all())
            for probe in probes.values()
        )
        return probes if sound else {}

    def smoothed(self) -> Mapping[str, SiteSignal]:
        """Signals of each site."""
        return {name: SiteSignal(**signal) for name, signal in self._state.signals.items()}

    def fitted(self, plan: GrowthPlan, probe: SiteProbe) -> GrowthPlan:
        """The plan with what only a look at the site shows."""
        if plan.operator == "recycle":
            # The share is smoothed: by now there may be more of them, or none.
            chosen = tuple(probe.dormant())
            return replace(plan, chosen=chosen, units=len(chosen))
        if plan.operator in WHOLE_PARTS:
            return plan
        return replace(plan, pair_scale=calibrated_scale(self._config.newborn_gradient, probe))

    def _follow_error(self) -> None:
        """Keep the best error since the last growth, and since when it has been too far above it."""
        error, state = self._progress.smooth_bpc, self._state
        if error is None:
            return
        best = state.best_error = min(error, state.best_error or math.inf)
        if not self._config.rising_error.risen(error, best):
            state.risen_step = None
        elif state.risen_step is None:
            state.risen_step = self._progress.step
