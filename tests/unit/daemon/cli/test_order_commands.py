"""Commands that steer a running daemon."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli import feed_input
from daemon.cli.feed_input import read_text
from daemon.cli.text_upload import CHUNK_CHARACTERS
from daemon.errors import UsageError
from daemon.streams.decoding import decode
from daemon.streams.errors import UndecodableError

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call


def test_status_shows_the_run_in_the_line_of_the_terminal(call: Call, daemon: FakeDaemon) -> None:
    called = call("status")
    assert called.code == 0
    assert "first (r-1) is running" in called.out
    assert "Step    1234 | Φ=– | Agency=– | BPC=2.91 | Time: 2m 34s" in called.out
    assert call("status", "--json").json()["run"]["id"] == "r-1"


def test_status_shows_the_step_of_what_was_measured_long_ago(call: Call, daemon: FakeDaemon) -> None:
    daemon.runs["r-1"].readings["reliance"] = {"name": "reliance", "value": 0.25, "step": 50}
    assert "Reliance on memory=0.250 (step 50)" in call("status").out


def test_status_of_a_daemon_without_runs(call: Call, daemon: FakeDaemon) -> None:
    daemon.runs.clear()
    assert "Nothing has been started here yet" in call("status").out
    assert call("status", "--json").json()["run"] is None
    assert call("status", "--run", "r-9").code == 5


@pytest.mark.parametrize("action", ["pause", "continue", "checkpoint"])
def test_an_action_goes_to_the_learning_run(call: Call, daemon: FakeDaemon, action: str) -> None:
    assert call(action, "--json").json()["state"] == "done"
    assert ("POST", "/runs/r-1/actions", {"action": action}) in daemon.asked
    assert call(action).out.startswith(f"{action}: done")


def test_an_action_that_does_not_fit_is_exit_code_5(call: Call, daemon: FakeDaemon) -> None:
    daemon.refuse("POST", "/runs/r-1/actions", 409, "cannot pause: r-1 is paused already")
    called = call("pause")
    assert (called.code, called.err) == (5, "synapsed: cannot pause: r-1 is paused already\n")


def test_stop_ends_the_run_then_the_daemon_and_sums_up(call: Call, daemon: FakeDaemon) -> None:
    called = call("stop")
    assert called.code == 0
    assert called.out.startswith("Saving final checkpoint...\n")
    assert "Total steps: 1,234" in called.out
    # The home is SYNAPSED_HOME: no flag needed.
    assert f"synapsed resume {daemon.runs['r-1'].checkpoint}\n" in called.out
    assert called.out.endswith("The daemon has stopped.\n")
    posts = [path for method, path, _ in daemon.asked if method == "POST"]
    assert posts == ["/runs/r-1/actions", "/shutdown"]


@pytest.mark.parametrize("flags", [(), ("--json",), ("--keep-serving",)])
def test_a_run_that_crashed_before_it_could_stop_is_no_success(
    call: Call, daemon: FakeDaemon, flags: tuple[str, ...]
) -> None:
    daemon.ends_as = "crashed"
    daemon.runs["r-1"].reason = "out of memory"
    called = call("stop", *flags)
    assert (called.code, called.err) == (7, "synapsed: r-1 crashed before it could stop: out of memory\n")


def test_stop_can_leave_the_daemon_serving(call: Call, daemon: FakeDaemon) -> None:
    document = call("stop", "--keep-serving", "--json").json()
    assert (document["run"]["state"], document["daemon"]) == ("stopped", "serving")
    assert "/shutdown" not in [path for _, path, _ in daemon.asked]
    assert call("stop", "--keep-serving").out == "Nothing is learning.\n"


def test_stop_ends_a_daemon_in_which_nothing_learns(call: Call, daemon: FakeDaemon) -> None:
    daemon.runs.clear()
    assert call("stop", "--json").json() == {"run": None, "daemon": "stopped"}


def test_feed_sends_files_in_pieces_the_daemon_takes(call: Call, daemon: FakeDaemon, tmp_path: Path) -> None:
    text = "ж" * (CHUNK_CHARACTERS + 10)
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    document = call("feed", str(tmp_path / "long.txt"), "--json").json()
    assert document["fed"][0]["num_bytes"] == 2 * len(text)
    pieces = [body["text"] for _, path, body in daemon.asked if path == "/runs/r-1/experience"]
    assert "".join(pieces) == text
    assert max(len(piece.encode()) for piece in pieces) <= 1024 * 1024


def test_feed_sends_nothing_when_one_file_cannot_be_read(
    call: Call, daemon: FakeDaemon, tmp_path: Path
) -> None:
    (tmp_path / "good.txt").write_text("good")
    called = call("feed", str(tmp_path / "good.txt"), str(tmp_path / "gud.txt"))
    assert called.code == 2
    assert f"did you mean {tmp_path / 'good.txt'}?" in called.err
    assert daemon.asked == []


def test_text_is_read_in_any_encoding_that_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    russian = "Мозг не обучается эпохами. Каждый момент уникален, и сон нужен для консолидации. " * 5
    (tmp_path / "old.txt").write_bytes(russian.encode("cp1251"))
    assert read_text(str(tmp_path / "old.txt")) == russian
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"from a pipe")))
    assert read_text("-") == "from a pipe"


@pytest.mark.parametrize(
    "content",
    [
        "naïve".encode("utf-8-sig"),
        "naïve".encode("utf-16"),
        "naïve".encode("utf-32"),
        gzip.compress("naïve".encode(), mtime=0) + bytes(100),
        gzip.compress(b"na", mtime=0) + gzip.compress("ïve".encode(), mtime=0),
        gzip.compress("naïve".encode("utf-16"), mtime=0),
    ],
)
def test_what_a_stream_reads_can_be_fed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "document").write_bytes(content)
    assert read_text(str(tmp_path / "document")) == "naïve"


def test_legacy_text_is_read_whose_head_looks_like_utf_8(tmp_path: Path) -> None:
    text = "plain " * 12_000 + "Müller aß Käse in der größten Straße. " * 20
    (tmp_path / "late.txt").write_bytes(text.encode("cp1252"))
    assert read_text(str(tmp_path / "late.txt")) == text


def test_damaged_utf_8_stays_utf_8(tmp_path: Path) -> None:
    (tmp_path / "hurt.txt").write_bytes("naïve ".encode() * 12_000 + b"\xff naive")
    assert read_text(str(tmp_path / "hurt.txt")) == "naïve " * 12_000 + "\ufffd naive"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\x00\x01\x02\xff", "is not text"),
        (b"valid UTF-8 with a \0", "is not text"),
        (gzip.compress(b"\0binary", mtime=0), "is not text"),
        (gzip.compress(b"text" * 100, mtime=0)[:-12], "gzip data ends too early"),
        (b"\x1f\x8bnot gzip at all", "gzip data is damaged"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(UsageError, match=why):
        read_text(str(tmp_path / "odd"))


def test_what_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(UndecodableError, match="more than 2 MiB"):
        decode(gzip.compress(b"a" * (3 << 20)), max_bytes=2 << 20)


def test_feeding_from_a_pipe_reports_it(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"from a pipe")))
    assert call("feed", "-").out == "11 B of standard input are saved and will be read\n"


def test_a_label_goes_with_each_file_as_a_whole(call: Call, daemon: FakeDaemon, tmp_path: Path) -> None:
    name, long = tmp_path / "question.txt", tmp_path / "long.txt"
    name.write_text("where is my card?")
    long.write_text("a" * (CHUNK_CHARACTERS + 1))
    assert call("feed", "--label", "card arrival", str(name)).code == 0
    fed = ("POST", "/runs/r-1/experience", {"text": "where is my card?", "label": "card arrival"})
    assert [one for one in daemon.asked if one[0] == "POST"] == [fed]
    assert (
        "--label takes whole files; leave --from out"
        in call("feed", "--label", "x", "--from", "3", str(name)).err
    )
    assert "--label is empty" in call("feed", "--label", " ", str(name)).err
    assert "is one record with its label" in call("feed", "--label", "x", str(long)).err


@pytest.mark.parametrize("name", ["-", "large.txt", "wide.txt", "packed.gz"])
def test_more_than_feed_takes_in_one_command_is_refused(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(feed_input, "MAX_FED_BYTES", 1 << 20)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"yes\n" * (1 << 18) + b"y")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large.txt").write_bytes(b"a" * ((1 << 20) + 1))
    (tmp_path / "wide.txt").write_bytes(("日本語の文章です。" * 60_000).encode("utf-16"))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b"a" * ((1 << 20) + 1), mtime=0))
    called = call("feed", name)
    assert (called.code, len(called.err.splitlines())) == (2, 1)
    assert "1 MiB" in called.err
    assert daemon.asked == []


def test_files_that_are_too_much_together_are_refused(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(feed_input, "MAX_FED_BYTES", 1 << 20)
    names = [str(tmp_path / f"{number}.txt") for number in range(3)]
    for name in names:
        Path(name).write_bytes(b"a" * (400 << 10))
    assert "2.txt it is more than the 1 MiB that feed takes" in call("feed", *names).err
    assert daemon.asked == []
    assert call("feed", *names[:2], names[0]).code == 0  # named twice, it is read once


def test_ask_lets_the_live_brain_continue(call: Call, daemon: FakeDaemon) -> None:
    assert call("ask", "hello", "--max-bytes", "6").out == "hello there\n"
    _, _, body = daemon.asked[-1]
    assert body == {"prompt": "hello", "max_bytes": 6, "temperature": 0.8, "top_p": 0.95}


@pytest.mark.parametrize("running", [True, False])
def test_ask_takes_the_newest_checkpoint_when_nothing_learns(
    call: Call, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, running: bool
) -> None:
    if running:
        request.getfixturevalue("daemon").runs["r-1"].state = "stopped"
    asked: list[Any] = []

    def generate(home: object, checkpoint: str, prompt: str, **settings: float) -> dict[str, Any]:
        asked.append((checkpoint, prompt, settings))
        return {"text": " world", "bytes_generated": 6, "step": 3}

    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.questions", SimpleNamespace(generate=generate))
    assert call("ask", "hello", "--temperature", "0").out == "hello world\n"
    assert asked == [("latest", "hello", {"max_bytes": 200, "temperature": 0.0, "top_p": 0.95})]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"text": "weather", "probability": 0.973}, "weather (probability 0.97)\n"),
        ({"text": "", "probability": None}, "no answer yet: it has learned none\n"),
    ],
)
def test_an_answer_stands_on_a_line_of_its_own(
    call: Call, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], line: str
) -> None:
    offline = SimpleNamespace(generate=lambda *_, **__: {**answer, "is_answer": True})
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.questions", offline)
    assert call("ask", "wind", "--checkpoint", "latest").out == line


def test_the_page_opens_by_a_one_time_address(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert call("open").out == f"{daemon.url}/?token=once\n"
    assert opened == [f"{daemon.url}/?token=once"]


def test_the_token_is_printed_for_curl(call: Call, tmp_path: Path) -> None:
    token = (tmp_path / "home" / "token").read_text() if (tmp_path / "home" / "token").exists() else None
    assert token is None
    printed = call("token").out
    assert printed == (tmp_path / "home" / "token").read_text()
    assert call("token", "--json").json() == {"token": printed.strip()}
