"""The results page: newest figure of a name, a table beside peers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.__main__ import discover
from benchmarks.report import (
    INTO,
    STORED,
    bound_of,
    head,
    main,
    measured,
    reached,
    read,
    section,
    what,
    without_figure,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def figure(name: str, ours: float | None, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "measures": "time", "ours": ours, "unit": "s",
        "peers": {"python -c 'import typer'": 2.0, "bare FastAPI": None}, "ratio": None,
        "target": "≤ 0.5 s", "holds": True, "command": "python -m benchmarks startup",
        "machine": "one", "details": {}, **more,
    }  # fmt: skip


def test_a_later_figure_takes_the_place_of_an_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("Sat\n" + json.dumps(figure("startup.help", 0.4)) + "\n", encoding="utf-8")
    second.write_text(json.dumps(figure("startup.help", 0.2)) + "\n\n", encoding="utf-8")
    assert [each["ours"] for each in read([first, second])] == [0.2]


def test_a_benchmark_measured_again_replaces_all_its_figures(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    stored = [figure("startup.help", 0.4), figure("startup.gone", 1.0), figure("other", 3.0)]
    first.write_text("".join(json.dumps(each) + "\n" for each in stored), encoding="utf-8")
    second.write_text(json.dumps(figure("startup.help", 0.2)) + "\n", encoding="utf-8")
    assert [(each["name"], each["ours"]) for each in read([first, second])] == [
        ("other", 3.0),
        ("startup.help", 0.2),
    ]


def test_the_report_fails_while_a_benchmark_has_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"
    others = [name for name in discover() if name != "curious_mix"]
    results.write_text("".join(json.dumps(figure(name, 1.0)) + "\n" for name in others), encoding="utf-8")
    assert main([str(results), "--into", str(tmp_path / "page")]) == 1
    assert "No figure for curious_mix," in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_the_stored_figures_cover_every_benchmark_and_are_those_of_the_page() -> None:
    figures = read([INTO / STORED])
    assert without_figure(discover(), figures) == []
    page = (INTO / "README.md").read_text(encoding="utf-8")
    assert page.startswith(head(figures))
    commands: dict[str, str] = {}
    for each in figures:
        command = commands.setdefault(each["name"].partition(".")[0], each["command"])
        assert f"| {what(each, command)} | {measured(each)} |" in page


def test_a_miss_is_a_miss_at_the_top_too() -> None:
    figures = [figure("a", 0.7, holds=False), figure("b", 0.3)]
    top = head(figures)
    assert "Missed: 1 of 2 targets." in top
    assert "- [a](#a), time: **0.7** s, target ≤ 0.5 s" in top
    assert "Missed" not in head(figures[1:])


def test_a_figure_shows_its_ratio_unless_it_is_that() -> None:
    assert measured(figure("a", 3.0, ratio=1.5, target="≤ 1 × best peer")) == "**3** s (× 1.5)"
    assert measured(figure("a", 3.0, ratio=3.0)) == "**3** s"


def test_a_peer_that_was_left_out_is_named_with_the_reason() -> None:
    text = section(
        "startup",
        [figure("startup.help", 0.25, details={"skipped": {"zpaq": "not installed"}, "note": "Mind."})],
    )
    assert "|\n\nMind.\n\nLeft out: zpaq (not installed).\n" in text


def test_a_section_names_command_peers_and_verdict() -> None:
    text = section(
        "startup", [figure("startup.help", 0.25), figure("startup.first_answer", None, holds=False)]
    )
    assert "`python -m benchmarks startup`" in text
    assert "| time | **0.25** s | python -c 'import typer' 2; bare FastAPI – | ≤ 0.5 s | yes |" in text
    assert "| time | **–** s | python -c 'import typer' 2; bare FastAPI – | ≤ 0.5 s | **missed** |" in text
    assert bound_of(figure("x", 1.0)) == 0.5


def test_a_spread_stands_beside_what_it_belongs_to_and_may_leave_the_verdict_open() -> None:
    spread = {
        "what": "the standard deviation over 5 seeds",
        "ours": 0.3,
        "peers": {"python -c 'import typer'": 0.1},
        "ratio": None,
    }
    close = figure("startup.help", 1.9, target="≤ 1 × best peer", ratio=0.95, details={"spread": spread})
    text = section("startup", [close])
    assert (
        "| time | **1.9** ± 0.3 s (× 0.95) | python -c 'import typer' 2 ± 0.1; bare FastAPI – | "
        "≤ 1 × best peer | yes, within the spread |" in text
    )
    assert "|\n\n± is the standard deviation over 5 seeds.\n" in text
    assert "1 of 2 verdicts lie within the spread" in head([close, figure("far", 0.1)])
    assert reached({**close, "ours": 1.0, "ratio": 0.5}) == "yes"
    of_ratio: dict[str, Any] = {"what": "the standard error", "ours": None, "peers": {}, "ratio": 0.02}
    missed = {**close, "ratio": 1.01, "holds": False, "details": {"spread": of_ratio}}
    assert (measured(missed), reached(missed)) == (
        "**1.9** s (× 1.01 ± 0.02)",
        "**missed**, within the spread",
    )
    alone: dict[str, Any] = {
        "what": "the standard deviation over 1 seeds",
        "ours": None,
        "peers": {},
        "ratio": None,
    }
    assert "±" not in section("startup", [{**close, "details": {"spread": alone}}])


def test_a_figure_of_another_command_names_it() -> None:
    text = section(
        "startup",
        [figure("startup.a", 0.2), figure("startup.b", 0.3, command="python -m benchmarks startup --long")],
    )
    assert "| time (`python -m benchmarks startup --long`) |" in text
    assert text.count("| time |") == 1


def test_every_published_figure_stands_beside_a_peer_or_a_control() -> None:
    assert [figure["name"] for figure in read([INTO / STORED]) if not figure["peers"]] == []
