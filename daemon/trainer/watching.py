"""The vital signs over a learning brain: gathered at every step, measured when the governor allows."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from brain.vitals.build import build_vitals
from brain.vitals.governor import GovernorState, advance, after_tick, governor_points, is_due

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading
    from brain.vitals.config import VitalsConfig


class Watch:
    """All vital signs of one run, and what measuring them has cost."""

    def __init__(
        self, config: VitalsConfig, *, seed: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._config = config
        self._clock = clock
        self._signs = build_vitals(config, seed=seed) if config.enabled else []
        self._governor = GovernorState()

    def look(self, moment: Moment, training_seconds: float) -> list[Reading]:
        """Gather this step's evidence; when a tick is due, measure every sign. Gathering is paid for too."""
        if not self._signs:
            return []
        began = self._clock()
        for sign in self._signs:
            sign.observe(moment)
        self._governor = advance(self._governor, self._config, training_seconds=training_seconds)
        if not is_due(self._governor, self._config, step=moment.step):
            return []
        readings = [sign.measure(moment) for sign in self._signs]
        cost_seconds = self._clock() - began
        self._governor = after_tick(self._governor, step=moment.step, cost_seconds=cost_seconds)
        return readings

    def points(self) -> dict[str, float]:
        """What the governor says: share of the time spent, steps between ticks, cost of a tick."""
        return governor_points(self._governor)

    def governor_state(self) -> dict[str, Any]:
        """JSON-able."""
        return dataclasses.asdict(self._governor)

    def state_tensors(self) -> dict[str, Tensor]:
        """Windows of all signs, as `<sign>|<tensor>`."""
        return {
            f"{sign.name}|{name}": tensor
            for sign in self._signs
            for name, tensor in sign.state_tensors().items()
        }

    def load(self, tensors: Mapping[str, Tensor], governor: Mapping[str, Any]) -> None:
        """Take windows and governor back; a sign that was not there before begins anew."""
        self._governor = GovernorState.from_json(governor)
        for sign in self._signs:
            prefix = f"{sign.name}|"
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if own:
                sign.load_tensors(own)
