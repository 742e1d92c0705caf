"""The daemon beside a plain loop: turns in pairs, the median of their ratios, a peer that imports nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import daemon_overhead
from benchmarks.daemon_overhead import Rates, judge, plain_loop

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
