"""From readings to alarms: what a tick found goes through the book, and what changed comes out as events."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from brain.ports import Reading
from brain.vitals.alarm_book import Alarm, AlarmBook
from daemon.events import AlarmCleared, AlarmRaised, Event, StopHinted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from brain.memory.forgetting import Track
    from brain.ports import Moment, StepReport
    from brain.vitals.alarm_book import AlarmChange

STOP_HINT = "stop_hint"
LEAST_BEST_BPC = (
    0.1  # below it a probe is as good as known by heart, and a share of its loss is a share of noise
)


class AlarmJudge:
    """The alarm book of a run, with the numbers it needs that are no vital signs.

    Prequential loss: mean nats per byte since the last tick. Forgetting: that of the frozen probes, as a share of
    the best smoothed loss, of the worst source; None before anything was learned.
    """

    def __init__(self) -> None:
        self._book = AlarmBook()
        self._nats = 0.0
        self._num_bytes = 0
        self.forgetting: float | None = None

    def observe(self, report: StepReport) -> None:
        """Gather the prequential loss of a step."""
        if report.num_bytes and math.isfinite(report.loss):
            self._nats += report.loss * report.num_bytes
            self._num_bytes += report.num_bytes

    def observe_probes(self, tracks: Iterable[Track]) -> None:
        """Follow the frozen probes, some of which were just scored."""
        rises = [
            track.forgetting / max(track.best, LEAST_BEST_BPC)
            for track in tracks
            if track.forgetting is not None and track.best is not None
        ]
        self.forgetting = max(rises, default=None)

    def judge(self, readings: Iterable[Reading], moment: Moment, training_seconds: float) -> list[Event]:
        """Judge every rule on the readings of a tick; raised and cleared alarms as events."""
        changes = self._book.update(
            [*readings, *self._companions(moment)], step=moment.step, time=training_seconds
        )
        self._nats, self._num_bytes = 0.0, 0
        return [event_of(change) for change in changes]

    def forget(self, sign: str) -> None:
        """Drop the kept values of a sign that is measured otherwise from now on."""
        self._book.forget(sign)

    def active(self) -> list[Event]:
        """Alarms that are up, as the events that raised them."""
        return [raised(alarm) for alarm in self._book.active]

    def state(self) -> dict[str, Any]:
        """JSON-able form, to survive a restart."""
        return {
            "book": self._book.state(),
            "nats": self._nats,
            "num_bytes": self._num_bytes,
            "forgetting": self.forgetting,
        }

    def load(self, stored: Mapping[str, Any]) -> None:
        """Take back what `state` gave; an older checkpoint has none of it."""
        self._book.load(stored.get("book", {}))
        self._nats, self._num_bytes = float(stored.get("nats", 0.0)), int(stored.get("num_bytes", 0))
        self.forgetting = stored.get("forgetting")

    def _companions(self, moment: Moment) -> list[Reading]:
        """Numbers the rules need beside vital signs."""
        found = [Reading(name="num_neurons", value=float(moment.brain.num_neurons()))]
        if self._num_bytes:
            loss = self._nats / self._num_bytes
            found.append(Reading(name="prequential_loss", value=loss, samples=self._num_bytes))
        if self.forgetting is not None:
            found.append(Reading(name="forgetting", value=self.forgetting))
        return found


def event_of(change: AlarmChange) -> Event:
    """The fact that an alarm went up or was cleared."""
    alarm = change.alarm
    if change.raised:
        return raised(alarm)
    return AlarmCleared(step=change.step, alarm=alarm.kind, sign=alarm.sign, raised_step=alarm.step)


def raised(alarm: Alarm) -> Event:
    """The fact that an alarm went up; a stop hint has an event of its own."""
    if alarm.kind == STOP_HINT:
        return StopHinted(step=alarm.step, cause=alarm.cause, remedy=alarm.remedy)
    return AlarmRaised(
        step=alarm.step,
        alarm=alarm.kind,
        level=alarm.severity,
        sign=alarm.sign,
        cause=alarm.cause,
        remedy=alarm.remedy,
        value=alarm.value,
    )
