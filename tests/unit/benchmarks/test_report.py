"""The results page: newest figure of a name, a table beside peers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.report import bound_of, read, section

if TYPE_CHECKING:
    from pathlib import Path


def figure(name: str, ours: float | None, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "measures": "time", "ours": ours, "peers": {"torch": 2.0, "xz": None}, "unit": "s",
        "ratio": None, "target": "≤ 0.5 s", "holds": True, "command": "python -m benchmarks start",
        "machine": "one", "details": {}, **more,
    }  # fmt: skip


def test_a_later_figure_takes_the_place_of_an_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("Sat\n" + json.dumps(figure("start.help", 0.4)) + "\n", encoding="utf-8")
    second.write_text(json.dumps(figure("start.help", 0.2)) + "\n\n", encoding="utf-8")
    assert read([first, second])["start.help"]["ours"] == 0.2


def test_a_section_names_command_peers_and_verdict() -> None:
    text = section("start", [figure("start.help", 0.25), figure("start.first", None, holds=False)])
    assert "`python -m benchmarks start`" in text
    assert "| time | **0.25** s | torch 2; xz – | ≤ 0.5 s | yes |" in text
    assert "| time | **–** s | torch 2; xz – | ≤ 0.5 s | no |" in text
    assert bound_of(figure("x", 1.0)) == 0.5
