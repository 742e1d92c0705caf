"""When a job runs: at a fixed interval in seconds, or by the five fields of cron in local time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

from daemon.errors import UsageError
from daemon.schedule.wall_clock import WallClockCron
from daemon.system.counting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo
    from typing import Any

    from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

SHORTEST_SECONDS = 10.0
LONGEST_SECONDS = 366 * 86_400.0
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Exactly one of the two is set."""

    every_seconds: float | None = None
    cron: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be kept.

        Raises:
            UsageError: with what is wrong and what would be right.
        """
        if (self.every_seconds is None) == (self.cron is None):
            raise UsageError("a trigger is either every_seconds or cron, not both and not neither")
        if self.every_seconds is not None:
            seconds = self.every_seconds
            if not math.isfinite(seconds) or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
                raise UsageError(
                    f"every_seconds is {seconds:g}; it must be between {SHORTEST_SECONDS:g} "
                    f"and {LONGEST_SECONDS:g} (a year)"
                )
        self.build(None)

    def build(self, timezone: tzinfo | None) -> BaseTrigger:
        """APScheduler's form of it; `timezone` None is the machine's own."""
        if self.every_seconds is not None:
            return IntervalTrigger(seconds=self.every_seconds, timezone=UTC)
        return _cron_trigger(self.cron or "", timezone)

    def record(self) -> dict[str, Any]:
        """What a notebook keeps."""
        return {"cron": self.cron} if self.every_seconds is None else {"every_seconds": self.every_seconds}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Trigger:
        """The trigger a notebook kept."""
        return cls(every_seconds=record.get("every_seconds"), cron=record.get("cron"))

    def __str__(self) -> str:
        """As text for a person.

        >>> str(Trigger(every_seconds=3600)), str(Trigger(cron="0 3 * * *"))
        ('every 1 h', 'cron 0 3 * * *')
        """
        if self.every_seconds is None:
            return f"cron {self.cron}"
        for seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
            if self.every_seconds % seconds == 0:
                return f"every {self.every_seconds / seconds:g} {unit}"
        return f"every {self.every_seconds:g} s"


def _cron_trigger(cron: str, timezone: tzinfo | None) -> WallClockCron:
    fields = cron.split()
    advice = (
        "write five fields: minute hour day month weekday, such as '30 3 * * *' for half past three at night"
    )
    if len(fields) != 5:
        raise UsageError(f"cron {cron!r} has {counted(len(fields), 'field')}; {advice}")
    if not cron.isascii():  # Python reads the digits of every script as numbers
        raise UsageError(f"cron {cron!r} is not understood (digits are 0 to 9, names are English); {advice}")
    minute, hour, day, month, weekday = fields
    try:
        trigger = WallClockCron(
            minute=minute,
            hour=hour,
            day=day,
            month=month,
            day_of_week=_named_days(weekday),
            timezone=timezone,
        )
    except (ValueError, KeyError) as error:
        raise UsageError(f"cron {cron!r} is not understood ({error}); {advice}") from error
    if not trigger.comes(datetime.now(UTC)):
        raise UsageError(f"cron {cron!r} never comes: no month it names has such a day; {advice}")
    return trigger


def _named_days(field: str) -> str:
    """Weekdays by name: cron counts from Sunday, APScheduler from Monday.

    >>> _named_days("1-5"), _named_days("0"), _named_days("*"), _named_days("6-7")
    ('mon,tue,wed,thu,fri', 'sun', '*', 'sun,sat')
    """
    if field == "*" or any(character.isalpha() for character in field):
        return field
    days: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = ("0-6" if span == "*" else span).partition("-")
        if int(high or low) > 7 or int(low) > int(high or low):
            raise ValueError(f"weekday {part} is not within 0-7")
        days.update(day % 7 for day in range(int(low), int(high or low) + 1, int(step or 1)))
    return ",".join(DAYS[day] for day in sorted(days))
