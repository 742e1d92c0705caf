"""`synapsed forget`: one thing at a time, asked before it is done, and plain about what it does not reach."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.erasing_answer import lines_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

FORGET = "/runs/r-1/forget"
ANSWER: dict[str, Any] = {
    "what": "source novels", "kind": "source", "run": "r-1", "receipt": 7, "effective_step": 900, "sha256": None,
    "rows": 1200, "row_bytes": 150_000, "replayed_rows": 800, "first_step": 40, "memory_bytes": 512,
    "memory_contexts": 2048, "memory_emptied": False, "probe_rows": 16, "pushed_texts": 0, "sources_read_on": True,
    "checkpoint": "continuous_9", "before": {"checkpoint": "continuous_1", "step": 30}, "older": ["continuous_1"],
    "not_reached": ["the weights", "the moon"], "others": [], "on_disk": True, "why_not": None,
}  # fmt: skip


def offers(daemon: FakeDaemon, **changes: Any) -> None:
    operation = daemon.operate(daemon.runs["r-1"], "forget", {**ANSWER, **changes})
    daemon.answers["POST", FORGET] = (202, operation)


def test_it_is_asked_for_by_name_text_or_time(call: Call, daemon: FakeDaemon, tmp_path: Path) -> None:
    offers(daemon)
    (tmp_path / "letter.txt").write_text("Dear Jolanda,\n")
    for arguments, body in (
        (("--source", "novels"), {"source": "novels"}),
        (("--text", str(tmp_path / "letter.txt")), {"text": "Dear Jolanda,\n"}),
        (("--since", "2h"), {"since": "2h"}),
    ):
        assert call("forget", *arguments, "--yes").code == 0
        assert ("POST", FORGET, {**body, "dry_run": False}) in daemon.asked
        assert call("forget", *arguments, "--dry-run", "--json").json()["rows"] == 1200
        assert ("POST", FORGET, {**body, "dry_run": True}) in daemon.asked


def test_it_shows_what_is_there_and_asks(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers(daemon)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    refused = call("forget", "--source", "novels")
    assert (refused.code, refused.out) == (2, "")
    assert "1,200" in refused.err
    assert "synapsed resume continuous_1" in refused.err
    assert "pin what is to stay" in refused.err
    assert refused.err.endswith("synapsed: nothing was forgotten\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "--yes" in call("forget", "--source", "novels").err
    assert not [asked for asked in daemon.asked if asked[1] == FORGET and not asked[2]["dry_run"]]
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert call("forget", "--source", "novels").code == 0


def test_a_mistake_is_one_line(call: Call, daemon: FakeDaemon, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    large.write_text("many words " * 100_000)
    for arguments, words in (
        ((), "name one thing"),
        (("--source", "a", "--since", "2h"), "name one thing"),
        (("--since", "soon"), "is expected"),
        (("--source", ""), "--source is empty"),
        (
            ("--text", str(tmp_path / "letter.txt")),
            "--text takes a file, or - for standard input; there is no file",
        ),
        (("--text", str(large)), "more than 1 MiB"),
    ):
        called = call("forget", *arguments, "--yes")
        assert (called.code, called.out, len(called.err.splitlines())) == (2, "", 1)
        assert words in called.err
    daemon.refuse("POST", FORGET, 409, "no source is called 'novel'; it has read novels, pushed")
    assert "it has read novels" in call("forget", "--source", "novel", "--yes").err


@pytest.mark.parametrize(
    ("changes", "present", "absent"),
    [
        (
            {},
            (
                "Receipt 7 of r-1, in effect from step 900",
                "synapsed resume continuous_1",
                "is still being read",
            ),
            "on disk",
        ),
        ({"on_disk": False, "why_not": "disk full"}, ("still on disk (disk full)",), "Traceback"),
        ({"before": None}, ("No checkpoint from before",), "are from before"),
        ({"first_step": None, "before": None}, ("It is not known when",), "first read at"),
        ({"memory_emptied": True}, ("the whole exact memory",), "contexts"),
        ({"others": ["r-2"]}, ("Runs that share its rows lose those", "(r-2)"), "on disk"),
        (
            {"kind": "text", "sha256": "ab"},
            ("SHA-256 of the text ab", "will be learned again"),
            "is still being read",
        ),
        ({"receipt": None, "on_disk": None}, ("Would forget source novels",), "Receipt"),
        ({"receipt": None}, ("bytes of the exact memory",), "contexts"),
        (
            {},
            ("2,048 contexts emptied, those by what followed earlier as a whole, whatever text is in them",),
            "on disk",
        ),
        (
            {"sources_read_on": False},
            ("Older checkpoints may still hold it (continuous_1)",),
            "is still being read",
        ),
    ],
)
def test_the_answer_says_what_is_gone_and_what_is_not(
    changes: dict[str, Any], present: tuple[str, ...], absent: str
) -> None:
    lines = "\n".join(lines_of({**ANSWER, **changes}))
    assert [words for words in ("Not reached: the weights; the moon", *present) if words not in lines] == []
    assert absent not in lines


def test_of_a_brain_without_an_exact_memory_none_is_listed() -> None:
    answer = {name: value for name, value in ANSWER.items() if not name.startswith("memory_")}
    assert "exact memory" not in "\n".join(lines_of(answer))
    assert "exact memory" not in "\n".join(lines_of({**answer, "receipt": None}))
    assert "0 bytes of the exact memory" in lines_of({**ANSWER, "memory_bytes": 0, "memory_contexts": 0})[0]
