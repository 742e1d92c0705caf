"""What a run shows after its trainer was lost: nothing of the steps that went with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.supervisor.live_run import LiveRun
from daemon.trainer_protocol import Ready, Report


def ready(step: int) -> Ready:
    return Ready(
        pid=1,
        step=step,
        samples=step * 32,
        device="cpu",
        num_parameters=1,
        num_neurons=1,
        sources=[],
        module_names=[],
        checkpoint="continuous_1700000001",
    )


def reported(step: int, **more: Any) -> Report:
    columns: dict[str, list[float]] = {"step": [step], "time": [1.7e9], "bpc": [8.0 / step]}
    return Report(
        state="running", step=step, samples=step * 32, training_seconds=1.0, columns=columns, **more
    )


@pytest.fixture
def run() -> LiveRun:
    """At step 30; forgetting and the sample are of step 10, the rest is newer."""
    run = LiveRun(id="r", name="r", config={}, created_at=datetime.now(UTC))
    phi = {"name": "phi", "value": 0.4, "step": 10}
    run.apply_report(reported(10, points=[("forgetting", 10, 1.7e9, 0.1)], readings=[phi], sample="old"))
    agency = {"name": "agency", "value": 0.4, "step": 30}
    run.apply_report(reported(30, points=[("held_out_bpc", 30, 1.7e9, 2.0)], readings=[agency]))
    return run


def test_numbers_of_lost_steps_are_dropped_and_earlier_ones_stay(run: LiveRun) -> None:
    run.apply_ready(ready(20))
    assert run.latest == {"forgetting": 0.1, "phi": 0.4}
    assert run.readings.keys() == {"phi"}
    assert (run.sample, run.sample_step) == ("old", 10)
    run.apply_ready(ready(5))
    assert (run.latest, run.readings, run.sample, run.sample_step, run.sample_time) == (
        {},
        {},
        None,
        None,
        None,
    )


def test_each_newest_value_has_its_step(run: LiveRun) -> None:
    assert run.view(full=False)["latest_steps"] == {"bpc": 30, "forgetting": 10, "phi": 10} | {
        "held_out_bpc": 30,
        "agency": 30,
    }
    run.apply_ready(ready(20))
    assert run.view(full=False)["latest_steps"] == {"forgetting": 10, "phi": 10}


def test_a_resume_without_a_loss_keeps_them(run: LiveRun) -> None:
    before = dict(run.latest)
    run.apply_ready(ready(30))
    assert (run.latest, run.sample) == (before, "old")


def test_what_an_earlier_daemon_stored_counts_as_of_the_newest_step(run: LiveRun) -> None:
    run.latest_steps.clear()  # as after `run_from_row`
    run.apply_ready(ready(20))
    assert run.latest == {}
    assert run.readings.keys() == {"phi"}
