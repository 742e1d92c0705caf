"""The pace is reported about once a second, and with it what the brain counts by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from daemon.trainer.link.pace import Pace

if TYPE_CHECKING:
    from daemon.trainer.link.reporting import Reporter


class Points:
    """The part of a reporter that is asked here."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, float]] = []

    def point(self, metric: str, step: int, value: float) -> None:
        self.seen.append((metric, step, value))

    def take(self) -> list[tuple[str, int, float]]:
        seen, self.seen = self.seen, []
        return seen


def test_a_run_that_stands_still_has_a_pace_of_zero_and_the_counts_of_its_last_step() -> None:
    now = [10.0]
    pace, points = Pace(0, monotonic=lambda: now[0]), Points()
    reporter = cast("Reporter", points)
    now[0] = 11.5
    pace.report(reporter, 3, {"examples": 48.0})
    pace.report(reporter, 4, {"examples": 64.0})
    points.take()
    pace.change(reporter, 4, steps_follow=False)
    assert points.take() == [
        ("examples", 4, 64.0),
        ("steps_per_second", 4, 0.0),
        ("bytes_per_second", 4, 0.0),
    ]
    now[0] = 3611.5
    pace.change(reporter, 4, steps_follow=True)
    assert points.take() == []
    now[0] = 3613.5
    pace.report(reporter, 6, {})
    assert points.take() == [("steps_per_second", 6, 1.0), ("bytes_per_second", 6, 0.0)]


def test_steps_bytes_and_the_brains_own_metrics_once_a_second() -> None:
    now = [10.0]
    pace = Pace(5, monotonic=lambda: now[0])
    points = Points()
    reporter = cast("Reporter", points)
    pace.num_bytes = 300
    now[0] = 10.9
    pace.report(reporter, 8, {"accuracy": 0.5})
    assert points.seen == []
    now[0] = 11.5
    pace.report(reporter, 11, {"accuracy": 0.75})
    pace.report(reporter, 12, {"accuracy": 1.0})
    assert points.seen == [
        ("steps_per_second", 11, 4.0),
        ("bytes_per_second", 11, 200.0),
        ("accuracy", 11, 0.75),
    ]
