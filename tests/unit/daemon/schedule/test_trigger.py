"""When a job runs, in seconds or in cron's words."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime

import pytest

from daemon.errors import UsageError
from daemon.schedule import trigger as trigger_module
from daemon.schedule.trigger import Trigger

SUNDAY_NOON = datetime(2026, 2, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "following"),
    [
        ("30 3 * * *", "2026-02-16T03:30"),
        ("*/20 * * * *", "2026-02-15T12:20"),
        ("0 9 * * 1-5", "2026-02-16T09:00"),
        ("0 9 * * 0", "2026-02-22T09:00"),
        ("0 9 * * 7", "2026-02-22T09:00"),
        ("0 9 * * 6-7", "2026-02-21T09:00"),
        ("0 9 * * sat", "2026-02-21T09:00"),
        ("0 9 * * */2", "2026-02-17T09:00"),
        ("0 0 1 3 *", "2026-03-01T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 29 2 1", "2044-02-29T00:00"),
    ],
)
def test_cron_means_what_cron_means(cron: str, following: str) -> None:
    fires = Trigger(cron=cron).build(UTC).get_next_fire_time(None, SUNDAY_NOON.replace(minute=1))
    assert fires.isoformat().startswith(following)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("", "has 0 fields"),
        ("30 3 * *", "has 4 fields"),
        ("61 3 * * *", "not understood"),
        ("x 3 * * *", "not understood"),
        ("0 3 * * 8", "not within 0-7"),
        ("0 3 * * 5-1", "not within 0-7"),
        ("0 3 * * 1-?", "not understood"),
        ("0 3 * * someday", "not understood"),
        ("0 3 * * */0", "not understood"),
        ("٣ * * * *", "not understood .digits are 0 to 9"),
        ("0 ３ * * *", "not understood .digits are 0 to 9"),
        ("0 0 * * ٣", "not understood .digits are 0 to 9"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 2,4,6,9,11 *", "never comes"),
        ("0 0 30 feb mon", "never comes"),
    ],
)
def test_what_cron_does_not_know_is_refused_with_an_example(cron: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        Trigger(cron=cron)
    assert "'30 3 * * *' for half past three" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("seconds", [0.0, -5.0, 9.9, float("nan"), float("inf"), 1e12])
def test_periods_have_bounds(seconds: float) -> None:
    with pytest.raises(UsageError, match="must be between 10 and"):
        Trigger(every_seconds=seconds)


def test_a_trigger_is_one_of_two() -> None:
    with pytest.raises(UsageError, match="not both and not neither"):
        Trigger()
    with pytest.raises(UsageError, match="not both and not neither"):
        Trigger(every_seconds=60.0, cron="* * * * *")


@pytest.mark.parametrize("trigger", [Trigger(every_seconds=90.0), Trigger(cron="1 2 3 4 5")])
def test_a_trigger_survives_the_notebook(trigger: Trigger) -> None:
    assert Trigger.from_record(trigger.record()) == trigger


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(90.0, "every 90 s"), (300.0, "every 5 min"), (86_400.0, "every 1 d"), (10.5, "every 10.5 s")],
)
def test_a_period_reads_well(seconds: float, words: str) -> None:
    assert str(Trigger(every_seconds=seconds)) == words


def test_examples() -> None:
    assert doctest.testmod(trigger_module).failed == 0
