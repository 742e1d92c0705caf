"""Staying with a log across its rotation, and with a live feed across a dropped connection."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from daemon.cli.follow_commands import follow_lines, frames
from daemon.errors import NotRunningError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.home import Home
    from tests.unit.daemon.cli.conftest import Call


def acts(*steps: Callable[[], object]) -> Callable[[], bool]:
    """A `wait` that does one thing at each look and then ends it."""
    remaining = iter(steps)

    def wait() -> bool:
        step = next(remaining, None)
        if step is not None:
            step()
        return step is not None

    return wait


def append(path: Path, text: str) -> Callable[[], object]:
    def write() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    return write


def test_lines_are_followed_whole_and_across_rotation(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text("old\n")
    wait = acts(
        append(path, "one\ntw"),
        append(path, "o\n"),
        append(path, "last before\n"),
        lambda: path.rename(tmp_path / "training.log.1"),
        append(tmp_path / "training.log.1", "late\n"),
        append(path, "first after\n"),
        append(path, "second after\n"),
    )
    assert list(follow_lines(path, 4, wait=wait)) == [
        "one",
        "two",
        "last before",
        "late",
        "first after",
        "second after",
    ]


def test_a_log_that_is_cut_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text("a long line\n")
    wait = acts(lambda: path.write_text("new\n"), lambda: None, lambda: None)
    assert list(follow_lines(path, path.stat().st_size, wait=wait)) == ["new"]


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    assert list(follow_lines(path, 0, wait=acts(append(path, "born\n"), lambda: None))) == ["born"]


def test_logs_shows_the_last_lines(call: Call, home: Home) -> None:
    assert call("logs").code == 5
    home.training_log.write_text("".join(f"line {number}\n" for number in range(30)))
    assert call("logs", "-n", "2").out == "line 28\nline 29\n"
    assert json.loads(call("logs", "-n", "1", "--json").out) == {"line": "line 29"}


@contextmanager
def feed(home: Home, conversation: Callable[[ServerConnection, dict[str, Any]], None]) -> Iterator[Server]:
    """A live feed that has this conversation with each client; the hello is its second argument."""

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.headers["Authorization"] == f"Bearer {home.token()}"
        conversation(connection, json.loads(connection.recv(timeout=5)))

    with serve(handle, "127.0.0.1", 0, subprotocols=["synapsed.v1"]) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        try:
            with home.lock():
                home.write_daemon_file(port=port, url=f"http://127.0.0.1:{port}")
                yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_dropped_feed_is_taken_up_where_it_broke(home: Home) -> None:
    hellos: list[dict[str, Any]] = []

    def talk(connection: ServerConnection, hello: dict[str, Any]) -> None:
        hellos.append(hello)
        if len(hellos) == 1:
            connection.send(json.dumps({"type": "welcome", "epoch": "e", "seq": 4}))
            connection.send(json.dumps({"type": "event", "seq": 5}))
            connection.close(code=1013)
        else:
            connection.send(json.dumps({"type": "event", "seq": 6}))
            connection.send(json.dumps({"type": "bye", "reason": "done"}))

    with feed(home, talk):
        seen = list(frames(home, pause=lambda _: None))
    assert [frame["type"] for frame in seen] == ["welcome", "event", "event", "bye"]
    assert hellos == [{"type": "hello"}, {"type": "hello", "epoch": "e", "seq": 5}]


def test_a_daemon_that_dies_ends_the_feed(home: Home) -> None:
    def talk(connection: ServerConnection, _hello: dict[str, Any]) -> None:
        connection.send(json.dumps({"type": "heartbeat", "time": "now"}))
        home.remove_daemon_file()
        connection.close(code=1011)

    with feed(home, talk):
        assert len(list(frames(home, pause=lambda _: None))) == 1


def test_without_a_daemon_there_is_no_feed(home: Home) -> None:
    with pytest.raises(NotRunningError):
        next(frames(home))


def test_watch_prints_frames_as_lines_of_json(call: Call, home: Home) -> None:
    def talk(connection: ServerConnection, _hello: dict[str, Any]) -> None:
        connection.send(json.dumps({"type": "bye", "reason": "done"}))

    with feed(home, talk):
        assert call("watch", "--json").json() == {"type": "bye", "reason": "done"}
        assert "has ended: done" in call("watch").out
