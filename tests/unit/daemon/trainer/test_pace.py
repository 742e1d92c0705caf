"""The pace is reported about once a second, and with it what the brain counts by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from daemon.trainer.pace import Pace

if TYPE_CHECKING:
    from daemon.trainer.reporting import Reporter


def test_steps_bytes_and_the_brains_own_metrics_once_a_second() -> None:
    now = [10.0]
    pace = Pace(5, monotonic=lambda: now[0])
    points: list[tuple[str, int, float]] = []
    reporter = cast(
        "Reporter", SimpleNamespace(point=lambda name, step, value: points.append((name, step, value)))
    )
    pace.num_bytes = 300
    now[0] = 10.9
    pace.report(reporter, 8, {"accuracy": 0.5})
    assert points == []
    now[0] = 11.5
    pace.report(reporter, 11, {"accuracy": 0.75})
    pace.report(reporter, 12, {"accuracy": 1.0})
    assert points == [("steps_per_second", 11, 4.0), ("bytes_per_second", 11, 200.0), ("accuracy", 11, 0.75)]
