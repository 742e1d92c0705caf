"""`synapsed remembers`."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake_daemon.world import problem_body

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

REMEMBERS = "/runs/r-1/remembers"
LIKELY = [{"byte": 48, "text": "0", "probability": 0.75}, {"byte": 10, "text": "\\n", "probability": 0.125}]
ANSWER: dict[str, Any] = {
    "step": 1234,
    "context_bytes": 11,
    "match": {
        "length": 11,
        "bytes_ago": 2345,
        "step": 1200,
        "source": "a\nb",
        "before": "a \x1b[31m line\n",
        "matched": "Lindenau is",
        "after": " 0341 \\xff",
    },
    "next": {"memory": LIKELY, "network": LIKELY[::-1], "both": LIKELY},
    "completion": " 0341\n480",
}


def test_match_next_bytes_and_completion_are_shown_and_steer_no_terminal(
    call: Call, daemon: FakeDaemon
) -> None:
    daemon.answers["POST", REMEMBERS] = (200, ANSWER)
    lines = call("remembers", "Lindenau is", "--max-bytes", "9").out.splitlines()
    assert lines[:4] == [
        "The longest match has 11 bytes, read 2,345 bytes ago, at step 1,200 from a\\nb:",
        "  a \\x1b[31m line",
        "  [Lindenau is] 0341 \\xff",
        "Next byte:",
    ]
    assert [line.split() for line in lines[4:7]] == [
        ["memory", "alone", "network", "alone", "both"],
        ["0", "0.750", "\\n", "0.125", "0", "0.750"],
        ["\\n", "0.125", "0", "0.750", "\\n", "0.125"],
    ]
    assert lines[7:] == ["Memory continues:  0341\\n480"]
    assert daemon.asked[-1] == ("POST", REMEMBERS, {"context": "Lindenau is", "max_bytes": 9})
    assert call("remembers", "Lindenau is", "--json").json() == ANSWER


def test_what_it_does_not_know_is_said(call: Call, daemon: FakeDaemon) -> None:
    daemon.answers["POST", REMEMBERS] = (200, {**ANSWER, "match": None, "completion": ""})
    out = call("remembers", "xyz").out
    assert out.startswith("No match of six bytes or more.\n")
    assert out.endswith("Memory has no confident continuation.\n")
    daemon.answers["POST", REMEMBERS] = (200, {**ANSWER, "match": None})
    out = call("remembers", "xyz").out
    assert "From fewer than six bytes, memory guesses: " in out
    assert "Memory continues" not in out


@pytest.mark.parametrize("flags", [["--checkpoint", "continuous_1"], []])
def test_without_a_live_brain_a_checkpoint_is_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    asked: list[Any] = []

    def remembers(home: object, checkpoint: str, context: str, **settings: int) -> dict[str, Any]:
        asked.append((checkpoint, context, settings))
        return ANSWER

    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.questions", SimpleNamespace(remembers=remembers))
    assert "2,345 bytes ago" in call("remembers", "Lindenau is", *flags).out
    assert asked == [(flags[-1] if flags else "latest", "Lindenau is", {"max_bytes": 48})]


def test_bad_input_and_a_brain_without_memory_get_one_line(call: Call, daemon: FakeDaemon) -> None:
    empty = call("remembers", "")
    assert (empty.code, empty.err.count("\n")) == (2, 1)
    assert "the context is empty: type some text" in empty.err
    assert daemon.asked == []
    assert call("remembers", "x", "--max-bytes", "1025").code == 2
    detail = "this brain has no exact memory; a run started with --set brain.hippocampus_mib=128 has one"
    daemon.answers["POST", REMEMBERS] = (409, problem_body(409, detail))
    without = call("remembers", "x")
    assert (without.code, without.err) == (5, f"synapsed: {detail}\n")
