"""The frame of the benchmarks: found by file, judged by target, none stops another."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.__main__ import choose, discover, main, print_json, run_all, table_of
from benchmarks.result import judged


def figure(name: str, *, holds: bool = True) -> dict[str, Any]:
    return judged(
        name, measures="seconds of it", ours=1.0, unit="s", at_most=2.0 if holds else 0.5, peers={"peer": 4.0}
    ).to_json()


def test_less_is_better() -> None:
    result = judged("stall.first", measures="m", ours=0.1, unit="s", at_most=0.15, peers={"a": 2.0, "b": 0.5})
    assert (result.ratio, result.target, result.holds) == (0.2, "≤ 0.15 s", True)
    assert result.command == "python -m benchmarks stall"
    assert "torch" in result.machine


def test_more_is_better_and_on_the_ratio() -> None:
    result = judged(
        "loop", measures="m", ours=96.0, unit="steps/s", at_least=0.97, of="ratio",
        peers={"a": 50.0, "b": 100.0}, long=True,
    )  # fmt: skip
    assert (result.ratio, result.target, result.holds) == (0.96, "≥ 0.97 × best peer", False)
    assert result.command.endswith(" --long")


def test_a_figure_that_is_no_number_never_holds() -> None:
    result = judged("x", measures="m", ours=math.nan, unit="s", at_most=1.0, details={"all": (1.0, math.inf)})
    assert not result.holds
    assert result.to_json()["ours"] is None
    assert result.to_json()["details"] == {"all": [1.0, None]}
    assert result.ratio is None


def test_one_target_and_a_peer_for_a_ratio() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        judged("x", measures="m", ours=1.0, unit="s")
    with pytest.raises(ValueError, match="no peer"):
        judged("x", measures="m", ours=1.0, unit="s", at_most=1.0, of="ratio")


def test_a_file_with_run_is_a_benchmark(tmp_path: Path) -> None:
    (tmp_path / "fast.py").write_text(
        '"""It is fast.\n\nMore."""\nimport nowhere\ndef run(*, long):\n    ...\n'
    )
    (tmp_path / "result.py").write_text('"""No benchmark."""\n')
    assert discover(tmp_path) == {"fast": "It is fast."}
    assert discover()["checkpoint_stall"].startswith("How long")


def test_an_unknown_name_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["checkpoint_stal"])
    assert caught.value.code == 2
    assert "did you mean checkpoint_stall?" in capsys.readouterr().err
    assert choose(["b", "b"], {"a": "", "b": ""}) == ["b"]
    assert choose([], {"a": "", "b": ""}) == ["a", "b"]


def test_a_failure_does_not_stop_the_others() -> None:
    shown: list[str] = []
    ran: list[str] = []

    def runner(name: str, *, long: bool) -> list[dict[str, Any]] | None:
        ran.append(name)
        return None if name == "broken" else [figure(name, holds=name != "slow")]

    def show(figures: list[dict[str, Any]]) -> None:
        shown.extend(each["name"] for each in figures)

    assert not run_all(["a", "broken", "b"], long=False, runner=runner, show=show)
    assert shown == ["a", "b"]
    assert ran == ["a", "broken", "b"]
    assert run_all(["a"], long=False, runner=runner, show=show)
    assert not run_all(["slow"], long=False, runner=runner, show=show)


def test_both_ways_to_show() -> None:
    out = io.StringIO()
    print_json([figure("a"), figure("b", holds=False)], out)
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [record["name"] for record in records] == ["a", "b"]
    assert set(records[0]) == {
        "name", "measures", "ours", "peers", "unit", "ratio", "target", "holds", "command", "machine",
        "details",
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(table_of([figure("a"), figure("b", holds=False)]))
    text = console.export_text()
    assert "× 0.25" in text
    assert "peer 4 s" in text
    assert "no" in text.split("│ b ")[1]


def test_from_the_shell() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list", "--json", "checkpoint_stall"],
        check=True, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert json.loads(done.stdout)["name"] == "checkpoint_stall"
