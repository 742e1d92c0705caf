"""The book of alarms: raised when a rule gives that verdict several times in a row, cleared the same way.

A pure state machine: what goes in are readings, step and time; what comes out are changes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brain.vitals.alarm_rules import RULES, WINDOW_SECONDS, Evidence, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from brain.ports import Reading

# Which number of a reading is kept for an hour; Φ's value is smoothed, so its per-tick one is taken.
_KEPT = {
    "phi": "tick",
    "agency": None,
    "self_prediction_error": None,
    "prequential_loss": None,
    "num_neurons": None,
}
_MAX_KEPT = 4_000


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm as it was raised. `value` is what its rule judged then, None when it was not available."""

    kind: str
    severity: Severity
    sign: str
    cause: str
    remedy: str
    step: int
    time: float
    value: float | None


@dataclass(frozen=True, kw_only=True)
class AlarmChange:
    """An alarm went up (`raised`) or was cleared, at this step and time."""

    raised: bool
    alarm: Alarm
    step: int
    time: float


class AlarmBook:
    """Debounced alarms over a run's readings.

    Beside vital signs it takes readings called `prequential_loss` (mean nats per byte since the last update),
    `forgetting` (relative rise of the frozen old-data probe over its smoothed best) and `num_neurons`.
    """

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self.rules = rules
        self._active: dict[str, Alarm] = {}
        self._streaks: dict[str, int] = {}  # verdicts in a row that contradict the present state
        self._series: dict[str, list[tuple[float, float]]] = {name: [] for name in _KEPT}
        self._readings: dict[str, Reading] = {}

    @property
    def active(self) -> tuple[Alarm, ...]:
        """Alarms that are up, oldest first."""
        return tuple(sorted(self._active.values(), key=lambda alarm: (alarm.time, alarm.kind)))

    def update(self, readings: Iterable[Reading], step: int, time: float) -> list[AlarmChange]:
        """Judge every rule again; `time` is in seconds and must not run backwards."""
        self._readings = {reading.name: reading for reading in readings}
        for name, part in _KEPT.items():
            self._keep(name, part, time)
        changes = []
        for rule in self.rules:
            change = self._judge(rule, step, time)
            if change is not None:
                changes.append(change)
        return changes

    def forget(self, name: str) -> None:
        """Drop the hour of values of a reading: what comes cannot be compared with it."""
        if name in self._series:
            self._series[name] = []

    def state(self) -> dict[str, Any]:
        """JSON-able form: alarms that are up, streaks and the hour of values."""
        return {
            "active": [dataclasses.asdict(alarm) for alarm in self._active.values()],
            "streaks": dict(self._streaks),
            "series": {name: [list(point) for point in points] for name, points in self._series.items()},
        }

    def load(self, stored: Mapping[str, Any]) -> None:
        """Take back what `state` gave; alarms of rules that are gone are dropped."""
        kinds = {rule.kind for rule in self.rules}
        alarms = [Alarm(**alarm) for alarm in stored.get("active", ())]
        self._active = {alarm.kind: alarm for alarm in alarms if alarm.kind in kinds}
        self._streaks = {
            kind: int(count) for kind, count in stored.get("streaks", {}).items() if kind in kinds
        }
        series = stored.get("series", {})
        self._series = {name: [(float(t), float(v)) for t, v in series.get(name, ())] for name in _KEPT}

    def _keep(self, name: str, part: str | None, time: float) -> None:
        reading = self._readings.get(name)
        points = self._series[name]
        if reading is not None:
            number = reading.value if part is None else reading.detail.get(part)
            if number is not None and reading.value is not None:
                points.append((time, number))
        first = next((i for i, (at, _) in enumerate(points) if at >= time - WINDOW_SECONDS), len(points))
        del points[: max(first, len(points) - _MAX_KEPT)]

    def _judge(self, rule: Rule, step: int, time: float) -> AlarmChange | None:
        up = rule.kind in self._active
        verdict = rule.judge(Evidence(readings=self._readings, series=self._series, active=up))
        if verdict is None:
            if not up:
                return None
            verdict = False  # what cannot be judged any more does not stay alarming
        if verdict is up:
            self._streaks.pop(rule.kind, None)
            return None
        streak = self._streaks.get(rule.kind, 0) + 1
        self._streaks[rule.kind] = streak
        if streak < (rule.clear_after if up else rule.raise_after):
            return None
        del self._streaks[rule.kind]
        if up:
            return AlarmChange(raised=False, alarm=self._active.pop(rule.kind), step=step, time=time)
        reading = self._readings.get(rule.sign)
        alarm = Alarm(
            kind=rule.kind,
            severity=rule.severity,
            sign=rule.sign,
            cause=rule.cause,
            remedy=rule.remedy,
            step=step,
            time=time,
            value=_judged(reading, rule.part),
        )
        self._active[rule.kind] = alarm
        return AlarmChange(raised=True, alarm=alarm, step=step, time=time)


def _judged(reading: Reading | None, part: str | None) -> float | None:
    """The number a rule judged: the sign's own value, or a companion of it."""
    if reading is None:
        return None
    return reading.value if part is None else reading.detail.get(part)
