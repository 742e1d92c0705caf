"""The vital signs over a learning brain: gathered at every step, measured when the governor allows."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from brain.vitals.build_vitals import build_vitals
from brain.vitals.governor import GovernorState, advance, after_tick, governor_points, is_due
from brain.vitals.live_sign import FAILED, OUT_OF_MEMORY
from daemon.events import MeasurementFailed, MeasurementOutOfMemory, VitalSignRedefined
from daemon.trainer.measures.alarm_events import AlarmJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from brain.ports import Moment, Reading
    from brain.vitals.config import VitalsConfig
    from daemon.events import Event


@dataclass(frozen=True)
class Tick:
    """What one look found: a reading of every vital sign, and the alarms that went up or cleared by it."""

    readings: list[Reading]
    events: list[Event]


DEFINITION = "definition"
# The definition of what was stored before checkpoints named it, where it is not 1.
BEFORE_NAMED = {"agency": 2}

Breakage = type[MeasurementFailed] | type[MeasurementOutOfMemory]


class Watch:
    """All vital signs of one run with their alarms, and what measuring them has cost."""

    def __init__(
        self, config: VitalsConfig, *, seed: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._config = config
        self._clock = clock
        self._signs = build_vitals(config, seed=seed) if config.enabled else []
        self._governor = GovernorState()
        self._gathered_seconds = 0.0  # since the last tick, which pays for it
        self.alarms = AlarmJudge()
        self._redefined: dict[str, int] = {}  # signs that a checkpoint knew by another definition
        self._broken: dict[str, Breakage] = {}  # how each sign that cannot be computed broke

    def look(self, moment: Moment, alive: Callable[[], object] = lambda: None) -> Tick | None:
        """Gather this step's evidence; when a tick is due, measure every sign and judge the alarms.

        Gathering and judging are paid for too. Time is training time: a pause ages no alarm. `alive` is called
        after each sign: a tick may take long.
        """
        if not self._signs:
            return None
        began = self._clock()
        for sign in self._signs:
            sign.observe(moment)
        self.alarms.observe(moment.report)
        self._governor = advance(self._governor, self._config, training_seconds=moment.training_seconds)
        if not is_due(self._governor, self._config, step=moment.step):
            self._gathered_seconds += self._clock() - began
            return None
        readings = []
        for sign in self._signs:
            readings.append(sign.measure(moment))
            alive()
        events = self._redefinitions(moment.step) + self.breakages(readings, moment.step)
        events += self.alarms.judge(readings, moment, moment.training_seconds)
        cost_seconds, self._gathered_seconds = self._gathered_seconds + self._clock() - began, 0.0
        self._governor = after_tick(self._governor, step=moment.step, cost_seconds=cost_seconds)
        return Tick(readings, events)

    def _redefinitions(self, step: int) -> list[Event]:
        """Once, at the first look; what the alarms kept of such a sign is forgotten."""
        redefined, self._redefined = self._redefined, {}
        for name in redefined:
            self.alarms.forget(name)
        now = {sign.name: sign.definition for sign in self._signs}
        return [
            VitalSignRedefined(step=step, sign=name, before=before, now=now[name])
            for name, before in redefined.items()
        ]

    def breakages(self, readings: Sequence[Reading], step: int) -> list[Event]:
        """An event for each sign that broke, or that breaks otherwise than before; a dash alone would hide it."""
        events: list[Event] = []
        for reading in readings:
            kind = _kind_of_breakage(reading)
            if kind is None:
                self._broken.pop(reading.name, None)
            elif self._broken.get(reading.name) is not kind:
                self._broken[reading.name] = kind
                events.append(kind(step=step, sign=reading.name, error=" ".join(str(reading.reason).split())))
        return events

    def points(self) -> dict[str, float]:
        """The governor: number of ticks, what they cost, and the steps between the last two."""
        return governor_points(self._governor)

    def governor_state(self) -> dict[str, Any]:
        """JSON-able."""
        return dataclasses.asdict(self._governor)

    def state_tensors(self) -> dict[str, Tensor]:
        """Windows of all signs with the definition they are of, as `<sign>|<tensor>`."""
        return {
            f"{sign.name}|{name}": tensor
            for sign in self._signs
            for name, tensor in {
                **sign.state_tensors(),
                DEFINITION: torch.tensor([sign.definition]),
            }.items()
        }

    def load(self, tensors: Mapping[str, Tensor], governor: Mapping[str, Any]) -> None:
        """Take windows and governor back; a sign that was not there before starts over."""
        self._governor = GovernorState.from_json(governor)
        for sign in self._signs:
            prefix = f"{sign.name}|"
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if own:
                before = int(own.pop(DEFINITION, torch.tensor([BEFORE_NAMED.get(sign.name, 1)]))[0])
                if before != sign.definition:
                    self._redefined[sign.name] = before
                sign.load_tensors(own)


def _kind_of_breakage(reading: Reading) -> Breakage | None:
    if OUT_OF_MEMORY in reading.detail:
        return MeasurementOutOfMemory
    return MeasurementFailed if FAILED in reading.detail else None
