"""The daemon beside a plain loop: turns in pairs, the median of their ratios, a peer that imports nothing of ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import daemon_overhead
from benchmarks.daemon_overhead import Pace, Rates, Turn, daemon_pace, judge, plain_loop, steps_at

if TYPE_CHECKING:
    from pathlib import Path


def test_the_figure_is_the_median_of_paired_ratios() -> None:
    # A machine that slows down between rounds: the ratio of the medians would be 1.5 / 2 = .75.
    rates = [Rates(1.0, 1.0, 2.0), Rates(1.5, 2.0, 2.0), Rates(4.0, 4.0, 4.0)]
    beside_plain, beside_alone = judge(rates)
    assert beside_plain.ours == 1.0
    assert beside_plain.holds
    assert beside_plain.target == "≥ 0.97 × plain loop"
    assert beside_alone.ours == 0.75
    assert not beside_alone.holds
    assert "daemon 1.500, plain loop 2.000" in beside_plain.details["note"]


def test_the_plain_loop_runs_where_the_project_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "loop.py"
    program.write_text(
        "import importlib.util, sys\n"
        "assert importlib.util.find_spec('benchmarks') is None\n"
        "for line in sys.stdin: print(int(line) / 2, flush=True)\n"
    )
    monkeypatch.setattr(daemon_overhead, "PLAIN_LOOP", program)
    with plain_loop() as turn:
        assert turn(4) == 2.0
        assert turn(6) == 3.0


def test_a_plain_loop_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "loop.py"
    program.write_text("raise SystemExit(3)")
    monkeypatch.setattr(daemon_overhead, "PLAIN_LOOP", program)
    with plain_loop() as turn, pytest.raises((RuntimeError, BrokenPipeError)):
        turn(4)


def test_a_turn_is_counted_by_the_cpu_seconds_of_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([10.0, 14.0])
    monkeypatch.setattr(daemon_overhead, "cpu_seconds", lambda pid: next(spent) if pid == 7 else -1.0)
    assert Turn(lambda steps: steps / 5, 7).pace(20) == Pace(steps_a_cpu_second=5.0, steps_a_second=4.0)


class FakeClient:
    """A run that steps twice a second; what else a pause costs comes after the last look."""

    def __init__(self) -> None:
        self.now = 100.0

    def get(self, path: str, **asked: Any) -> dict[str, Any]:
        if path.endswith("/series"):
            steps = range(asked["from"], asked["to"] + 1)
            return {"metrics": {"bpc": {"time": [100.25 + (step - 11) / 2 for step in steps]}}}
        return {"step": 10 + int((self.now - 99.75) * 2)}

    def act(self, _run: str, action: str) -> str:
        if action == "pause":
            self.now += 1.0
        return action

    def finished(self, _task: str) -> None:
        """At once."""


def test_the_daemons_turn_is_looked_at_between_its_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()

    def wait(_client: object, _run: str, step: int) -> None:
        client.now = 100.0 + (step - 10) / 2

    monkeypatch.setattr(daemon_overhead, "wait_for_step", wait)
    monkeypatch.setattr(daemon_overhead, "cpu_seconds", lambda _pid: client.now / 2)
    clock = SimpleNamespace(
        time=lambda: client.now, sleep=lambda seconds: setattr(client, "now", client.now + seconds)
    )
    monkeypatch.setattr("benchmarks.daemon_overhead.time", clock)
    pace = daemon_pace(client, "r", 7, 12.0)  # type: ignore[arg-type]
    assert pace.steps_a_second == pytest.approx(2.0)
    assert pace.steps_a_cpu_second == pytest.approx(4.0)


def test_a_moment_outside_the_recorded_steps_has_no_count() -> None:
    for moment in (0.5, 4.0):
        with pytest.raises(ValueError, match="outside"):
            steps_at([1.0, 2.0, 4.0], moment)
