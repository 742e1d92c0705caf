"""Cron on a wall clock that jumps: what falls into the hour left out runs after it, what comes twice runs once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

# No zone has ever jumped further at a change to or from daylight saving time.
LONGEST_JUMP = timedelta(hours=3)
# 29 February falls on a given weekday once in 28 years, where a century is no leap year once in 40.
LONGEST_WAIT_YEARS = 40


class WallClockCron(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """APScheduler's cron, whose times always come to pass.

    Its own skips a day on which the hour of the job is left out. Here such a time is as much later as the clocks
    jump (02:30 is 03:30 then), and a time that comes twice counts the first time only; but a job of every hour
    runs in both.

    Args:
        minute, hour, day, month, day_of_week: cron's fields, as APScheduler names them.
        timezone: whose wall clock; None is the machine's own.
    """

    def __init__(
        self,
        *,
        minute: str,
        hour: str,
        day: str,
        month: str,
        day_of_week: str,
        timezone: tzinfo | None,
    ) -> None:
        fields = {"minute": minute, "hour": hour, "day": day, "month": month, "day_of_week": day_of_week}
        self.timezone: tzinfo = CronTrigger(**fields, timezone=timezone).timezone
        # On a clock that never jumps: its UTC stands for what the wall clock shows.
        self._shown = CronTrigger(**fields, timezone=UTC)
        self._fields = fields
        self._in_both = "*" in hour

    def comes(self, now: datetime) -> bool:
        """Whether its time ever comes: 30 February never does. Looks at 40 years, not at all there are."""
        years = f"{now.year}-{now.year + LONGEST_WAIT_YEARS}"
        within = CronTrigger(**self._fields, year=years, timezone=UTC)
        return within.get_next_fire_time(None, now.astimezone(UTC)) is not None

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first moment from `now` on, and after `previous_fire_time`; None when there is none."""
        earliest = now.astimezone(UTC)
        if previous_fire_time is not None:
            earliest = max(earliest, previous_fire_time.astimezone(UTC) + timedelta(microseconds=1))
        # In UTC: Python compares two moments of one zone by what the clock shows, which comes twice.
        return self._between_jumps(earliest) or self._near_a_jump(earliest)

    def _between_jumps(self, earliest: datetime) -> datetime | None:
        """The next moment where no jump is near, which is nearly always; None where one may be."""
        shown = self._shown.get_next_fire_time(None, earliest.astimezone(self.timezone).replace(tzinfo=UTC))
        if shown is None:
            return None
        moment = next(self._moments(shown))
        near = (earliest - LONGEST_JUMP, earliest), (moment - LONGEST_JUMP, moment + LONGEST_JUMP)
        return None if any(self._offset(one) != self._offset(other) for one, other in near) else moment

    def _near_a_jump(self, earliest: datetime) -> datetime | None:
        # Times left out earlier come to pass later: begin before, and look on behind the first that fits.
        best: datetime | None = None
        shown: datetime | None = earliest.astimezone(self.timezone).replace(tzinfo=UTC) - LONGEST_JUMP
        while (shown := self._shown.get_next_fire_time(None, shown)) is not None:
            for moment in self._moments(shown):
                if moment >= earliest and (best is None or moment < best):
                    best = moment
            if best is not None and shown > best.astimezone(self.timezone).replace(tzinfo=UTC) + LONGEST_JUMP:
                break
            shown += timedelta(minutes=1)
        return best

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self.timezone).utcoffset()

    def _moments(self, shown: datetime) -> Iterator[datetime]:
        """When the wall clock shows this; after the jump when it never does."""
        first = shown.replace(tzinfo=self.timezone, fold=0).astimezone(UTC)
        yield first
        second = shown.replace(tzinfo=self.timezone, fold=1).astimezone(UTC)
        if self._in_both and second > first:
            yield second
