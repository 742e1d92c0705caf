"""Feeding in pieces: what broke off half-way prints how to continue, and continuing leaves nothing out or double."""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.client import DaemonClient
from daemon.cli.text_upload import CHUNK_CHARACTERS, BrokenOffError, Rest, push, unicode_of
from daemon.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from daemon.home import Home
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

TEXT = "й" * (3 * CHUNK_CHARACTERS - 5)  # three pieces, two bytes a character


class FakeClient:
    """Takes `room` pieces, then fails with `error`."""

    def __init__(self, room: int, error: BaseException) -> None:
        self.room, self.error = room, error
        self.taken: list[str] = []

    def post(self, _path: str, body: dict[str, str]) -> dict[str, Any]:
        if len(self.taken) == self.room:
            raise self.error
        self.taken.append(body["text"])
        return {"id": f"op-{len(self.taken)}", "state": "done"}

    def finished(self, operation: dict[str, Any]) -> dict[str, Any]:
        return operation


def test_the_command_that_continues_names_the_label() -> None:
    rest = Rest(files=("notes.txt",), run="r-1", label="card arrival")
    assert rest.command(0) == "synapsed feed --label 'card arrival' --run r-1 notes.txt"


def pushed(client: FakeClient, **more: int) -> dict[str, Any]:
    rest = Rest(files=("notes.txt",), run="r-1")
    return push(client, TEXT, rest, **more)  # type: ignore[arg-type]


class FullDaemon:
    """Takes `room` pieces by way of any client, then refuses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self.taken = ""
        self.runs: set[str] = set()
        monkeypatch.setattr(DaemonClient, "post", lambda _, path, body: self.take(path, body["text"]))

    def take(self, path: str, text: str) -> dict[str, Any]:
        if self.room == 0:
            raise ConflictError("no room")
        self.room -= 1
        self.taken += text
        self.runs.add(path.split("/")[2])
        return {"id": "op-1", "state": "done"}


@pytest.mark.parametrize("error", [ConflictError("feed failed: no room"), KeyboardInterrupt()])
def test_what_broke_off_continues_from_there(error: BaseException) -> None:
    first = FakeClient(2, error)
    with pytest.raises(BrokenOffError, match="Continue from there: synapsed feed --from") as broken:
        pushed(first)
    assert broken.value.num_bytes == 2 * 2 * CHUNK_CHARACTERS
    again = FakeClient(9, error)
    assert pushed(again, begin_bytes=broken.value.num_bytes)["id"] == "op-1"
    assert "".join([*first.taken, *again.taken]) == TEXT


NAMES = ("plain", "my notes", "$HOME 'x'", "-dash", "two\nlines", os.fsdecode(b"caf\xe9"))


@pytest.mark.parametrize("room", range(1, 3 * len(NAMES)))
def test_the_command_sends_all_the_rest_and_nothing_twice(
    call: Call,
    daemon: FakeDaemon,
    *,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    room: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{number}" * (2 * CHUNK_CHARACTERS + 5) for number in range(len(NAMES))]
    for name, text in zip(NAMES, texts, strict=True):
        Path(name).write_text(text)
    full = FullDaemon(monkeypatch, room)
    broken = call("feed", "--run", "r-1", "--home", str(home.root), "--", *NAMES)
    assert (broken.code, len(broken.err.splitlines())) == (5, 1)
    command = shlex.split(broken.err.partition("Continue from there: synapsed ")[2])
    assert "--run" in command
    full.room = -1
    assert call(*command).code == 0
    assert full.taken == "".join(texts)
    assert full.runs == {"r-1"}


def test_the_command_names_a_home_that_is_not_the_usual_one(
    call: Call, daemon: FakeDaemon, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SYNAPSED_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("notes").write_text("a" * (CHUNK_CHARACTERS + 1))
    FullDaemon(monkeypatch, 1)
    assert f"--run r-1 --home {shlex.quote(str(home.root))} notes" in (
        call("feed", "notes", "--home", str(home.root)).err
    )


def test_of_standard_input_the_same_text_is_piped_in_again(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(b"a" * (CHUNK_CHARACTERS + 1)))
    monkeypatch.setattr(sys, "stdin", stdin)
    FullDaemon(monkeypatch, 1)
    called = call("feed", "-", "--json")
    command = f"synapsed feed --from {CHUNK_CHARACTERS} --run r-1 -"
    assert called.err.endswith(f"Continue from there, with the same text piped in again: {command}\n")
    assert called.json()["go_on"] == {"file": "-", "from": CHUNK_CHARACTERS, "command": command}


def test_refused_at_once_is_the_refusal_alone() -> None:
    with pytest.raises(ConflictError, match=r"^no room$") as refused:
        pushed(FakeClient(0, ConflictError("no room")))
    assert not isinstance(refused.value, BrokenOffError)


@pytest.mark.parametrize("begin", [1, 3, len(TEXT.encode()), 10**9])
def test_where_to_continue_must_be_in_the_text(begin: int) -> None:
    with pytest.raises(UsageError, match=f"--from {begin}"):
        pushed(FakeClient(9, AssertionError()), begin_bytes=begin)


def test_an_argument_of_other_bytes_is_named() -> None:
    assert unicode_of("café 🧠", "x") == "café 🧠"
    with pytest.raises(UsageError, match="the text to ask is not valid UTF-8: byte 0xe9 at character 4"):
        unicode_of("caf\udce9", "the text to ask")
