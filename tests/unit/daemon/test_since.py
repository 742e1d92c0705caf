"""Since when: what a person may type, and what is refused in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.errors import UsageError
from daemon.since import parse_since, step_since

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", 0),
        (" 1200 ", 1200),
        ("90s", NOW - timedelta(seconds=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("3d", NOW - timedelta(days=3)),
        ("2w", NOW - timedelta(days=14)),
        ("999999999w", datetime.fromtimestamp(0, UTC)),
        ("2026-02-28T10:00+01:00", datetime(2026, 2, 28, 9, tzinfo=UTC)),
    ],
)
def test_what_is_meant(text: str, meant: int | datetime) -> None:
    assert parse_since(text, now=NOW) == meant


def test_a_time_without_a_zone_is_this_machines() -> None:
    assert parse_since("2026-02-28T10:00", now=NOW) == datetime(2026, 2, 28, 10).astimezone(UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2 fortnights", "-3", "٣h", "2026-02-30", "12:00", "1e9"])
def test_what_means_nothing(text: str) -> None:
    with pytest.raises(UsageError, match="is expected"):
        parse_since(text, now=NOW)


def test_what_lies_ahead_is_refused() -> None:
    with pytest.raises(UsageError, match="lies ahead"):
        parse_since("2026-03-02", now=NOW)


def test_the_step_of_a_time() -> None:
    asked: list[float] = []

    def step_at(time: float) -> int | None:
        asked.append(time)
        return 70 if time > 1e9 else None

    assert step_since("12", step_at) == 12
    assert step_since("2h", step_at) == 70
    assert step_since("1970-01-01", step_at) == 0
    assert len(asked) == 2
