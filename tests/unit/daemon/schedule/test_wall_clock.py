"""Cron over the jumps of the wall clock, in zones that jump at other hours and by other lengths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.schedule.trigger import Trigger
from daemon.schedule.wall_clock import LONGEST_JUMP, WallClockCron

BERLIN, NEW_YORK, LORD_HOWE = (
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("America/New_York"),
    ZoneInfo("Australia/Lord_Howe"),
)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def fires(cron: str, zone: ZoneInfo, start: str, days: float) -> list[str]:
    """All times within some days, as the wall clock shows them."""
    trigger = Trigger(cron=cron).build(zone)
    begin = datetime.fromisoformat(start).replace(tzinfo=zone)
    end = begin.astimezone(UTC) + timedelta(days=days)
    found, before = [], None
    while (moment := trigger.get_next_fire_time(before, begin if before is None else before)) < end:
        assert before is None or moment > before
        found.append(moment.astimezone(zone).isoformat(timespec="minutes"))
        before = moment
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "start", "shown"),
    [
        # The hour 02:00 to 03:00 is left out on 29 March 2026 in Berlin, on 8 March in New York.
        ("0 2 * * *", BERLIN, "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("30 2 * * *", BERLIN, "2026-03-28T12:00", ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]),
        ("30 3 * * *", BERLIN, "2026-03-28T12:00", ["2026-03-29T03:30+02:00", "2026-03-30T03:30+02:00"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["2026-03-08T03:30-04:00", "2026-03-09T02:30-04:00"]),
        ("30 2 * * 0", NEW_YORK, "2026-03-07T12:00", ["2026-03-08T03:30-04:00"]),
        ("30 2,3 * * *", BERLIN, "2026-03-29T00:00", [
            "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00", "2026-03-30T03:30+02:00"]),
        # Midnight itself was left out in Brazil, and half an hour is on Lord Howe Island.
        ("0 0 * * *", SAO_PAULO, "2018-11-03T12:00", ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00", ["2026-10-04T02:45+11:00", "2026-10-05T02:15+11:00"]),
        # The hour comes twice on 25 October in Berlin, on 1 November in New York.
        ("0 2 * * *", BERLIN, "2026-10-24T12:00", ["2026-10-25T02:00+02:00", "2026-10-26T02:00+01:00"]),
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    ],
)  # fmt: skip
def test_a_daily_job_runs_once_a_day_whatever_the_clocks_do(
    cron: str, zone: ZoneInfo, start: str, shown: list[str]
) -> None:
    assert fires(cron, zone, start, 2) == shown


def test_a_job_of_every_hour_runs_in_both_of_them() -> None:
    assert fires("30 * * * *", BERLIN, "2026-10-25T01:00", 0.2) == [
        "2026-10-25T01:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T03:30+01:00",
        "2026-10-25T04:30+01:00",
    ]  # fmt: skip
    assert fires("*/30 * * * *", BERLIN, "2026-03-29T01:00", 0.06) == [
        "2026-03-29T01:00+01:00", "2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00",
    ]  # fmt: skip


def test_a_time_that_never_comes_is_no_endless_search() -> None:
    fields = {"minute": "0", "hour": "0", "day": "30", "month": "2", "day_of_week": "*"}
    trigger = WallClockCron(**fields, timezone=BERLIN)
    assert trigger.get_next_fire_time(None, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_the_longest_wait_there_is_comes() -> None:
    fields = {"minute": "0", "hour": "0", "day": "29", "month": "2", "day_of_week": "mon"}
    trigger = WallClockCron(**fields, timezone=BERLIN)
    assert all(trigger.comes(datetime(year, 3, 1, tzinfo=UTC)) for year in range(2025, 2125))


@settings(max_examples=60, deadline=None)
@given(
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, SAO_PAULO]),
    begin=st.integers(0, 15 * 366).map(lambda days: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=days)),
)
def test_every_day_has_one_run_at_its_time_or_a_jump_later(
    hour: int, minute: int, zone: ZoneInfo, begin: datetime
) -> None:
    trigger = Trigger(cron=f"{minute} {hour} * * *").build(zone)
    moment = trigger.get_next_fire_time(None, begin)
    days = []
    for _ in range(200):
        moment = trigger.get_next_fire_time(moment, moment)
        shown = moment.astimezone(zone).replace(tzinfo=None)
        assert timedelta(0) <= shown - shown.replace(hour=hour, minute=minute) <= LONGEST_JUMP
        days.append(shown.date())
    assert days == [days[0] + timedelta(days=number) for number in range(200)]
