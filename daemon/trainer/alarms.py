"""From readings to alarms: what a tick found goes through the book, and what changed comes out as events."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from brain.ports import Reading
from brain.vitals.alarms import Alarm, AlarmBook
from daemon.events import AlarmCleared, AlarmRaised, Event, StopHinted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from brain.ports import Moment, StepReport
    from brain.vitals.alarms import AlarmChange
    from daemon.trainer.evaluation import HeldOutLoss

STOP_HINT = "stop_hint"
SMOOTHING = 0.9  # weight of the past in a held-out loss; the best of a noisy series drifts down by chance


class Alarms:
    """The alarm book of a run, with the numbers it needs that are no vital signs.

    Prequential loss: mean nats per byte since the last tick. Forgetting: how much worse the smoothed
    held-out loss of a source is than its best so far, the worst of all sources; only sources whose held-out
    set was scored whole count, since parts of it are not alike.
    """

    def __init__(self) -> None:
        self._book = AlarmBook()
        self._nats = 0.0
        self._num_bytes = 0
        self._smooth: dict[str, float] = {}
        self._best: dict[str, float] = {}

    @property
    def forgetting(self) -> float | None:
        """Relative rise over the smoothed best of the worst source; None before any was scored whole."""
        return max((loss / self._best[source] - 1.0 for source, loss in self._smooth.items()), default=None)

    def hear(self, report: StepReport) -> None:
        """Gather the prequential loss of a step."""
        if report.num_bytes and math.isfinite(report.loss):
            self._nats += report.loss * report.num_bytes
            self._num_bytes += report.num_bytes

    def hear_held_out(self, losses: Iterable[HeldOutLoss]) -> None:
        """Follow the held-out loss of sources that were just scored."""
        for loss in losses:
            if loss.coverage < 1.0 or not loss.bpc > 0.0:
                continue
            before = self._smooth.get(loss.source, loss.bpc)
            now = SMOOTHING * before + (1.0 - SMOOTHING) * loss.bpc
            self._smooth[loss.source] = now
            self._best[loss.source] = min(now, self._best.get(loss.source, now))

    def judge(self, readings: Iterable[Reading], moment: Moment, training_seconds: float) -> list[Event]:
        """Judge every rule on the readings of a tick; raised and cleared alarms as events."""
        changes = self._book.update(
            [*readings, *self._companions(moment)], step=moment.step, time=training_seconds
        )
        self._nats, self._num_bytes = 0.0, 0
        return [event_of(change) for change in changes]

    def active(self) -> list[Event]:
        """Alarms that are up, as the events that raised them."""
        return [raised(alarm) for alarm in self._book.active]

    def state(self) -> dict[str, Any]:
        """JSON-able form, to survive a restart."""
        return {
            "book": self._book.state(),
            "nats": self._nats,
            "num_bytes": self._num_bytes,
            "held_out": {source: [self._smooth[source], self._best[source]] for source in self._smooth},
        }

    def load(self, stored: Mapping[str, Any]) -> None:
        """Take back what `state` gave; an older checkpoint has none of it."""
        self._book.load(stored.get("book", {}))
        self._nats, self._num_bytes = float(stored.get("nats", 0.0)), int(stored.get("num_bytes", 0))
        held_out = stored.get("held_out", {})
        self._smooth = {source: float(pair[0]) for source, pair in held_out.items()}
        self._best = {source: float(pair[1]) for source, pair in held_out.items()}

    def _companions(self, moment: Moment) -> list[Reading]:
        """Numbers the rules need beside vital signs."""
        found = [Reading(name="num_neurons", value=float(moment.brain.num_neurons()))]
        if self._num_bytes:
            loss = self._nats / self._num_bytes
            found.append(Reading(name="prequential_loss", value=loss, samples=self._num_bytes))
        if (forgetting := self.forgetting) is not None:
            found.append(Reading(name="forgetting", value=forgetting))
        return found


def event_of(change: AlarmChange) -> Event:
    """The fact that an alarm went up or was cleared."""
    alarm = change.alarm
    if change.raised:
        return raised(alarm)
    return AlarmCleared(step=change.step, alarm=alarm.kind, sign=alarm.sign, raised_step=alarm.step)


def raised(alarm: Alarm) -> Event:
    """The fact that an alarm went up; the stop hint is told in its own words."""
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
