"""Commands that stay and show what happens: watch, logs."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from daemon.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from daemon.home import Home

SUBPROTOCOL = "synapsed.v1"
RECONNECT_SECONDS = 1.0
RECONNECT_TRIES = 30
POLL_SECONDS = 0.25
MAX_FRAME_BYTES = 64 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Look"
    app.command(rich_help_panel=panel)(watch)
    app.command(rich_help_panel=panel)(logs)


def watch(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Watch a running daemon live until Ctrl+C; with --json, one line per frame."""
    from daemon.cli.printing import out
    from daemon.cli.views import make_view
    from daemon.home import Home

    opened = Home.open(home, create=False)
    with make_view(opened, as_json=as_json) as view:
        try:
            for frame in frames(opened):
                out().require_reader()
                view.show_frame(frame)
        except KeyboardInterrupt:
            return


def frames(home: Home, *, pause: Callable[[float], None] = time.sleep) -> Iterator[dict[str, Any]]:
    """Every frame of the live feed; a dropped connection is resumed where it broke, nothing missed.

    Ends when the daemon does.

    Raises:
        NotRunningError: when none runs to begin with.
    """
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.sync.client import connect

    from daemon.cli.client import DaemonClient
    from daemon.errors import NotRunningError

    client = DaemonClient.connect(home)
    position: dict[str, Any] = {}
    tries = 0
    while True:
        try:
            with connect(
                client.feed_url(),
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                additional_headers=client.feed_headers(),
                proxy=None,
                max_size=MAX_FRAME_BYTES,
            ) as feed:
                feed.send(json.dumps({"type": "hello", **position}))
                for message in feed:
                    frame = json.loads(message)
                    tries = 0
                    _remember(frame, position)
                    yield frame
                    if frame["type"] == "bye":
                        return
        except InvalidHandshake as error:
            raise NotRunningError(f"{client.url} refuses the live feed: {error}") from error
        except (ConnectionClosed, OSError):
            pass
        tries += 1
        if home.read_daemon_file() is None or tries > RECONNECT_TRIES:
            return
        pause(RECONNECT_SECONDS)
        client = DaemonClient.connect(home)


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep showing what is added.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many lines, counted from the end.")
    ] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the training log; -f follows it, across rotation."""
    from daemon.cli.output import print_json
    from daemon.cli.printing import out, say
    from daemon.errors import NotFoundError
    from daemon.home import Home

    path = Home.open(home, create=False).training_log
    if not path.exists() and not follow:
        raise NotFoundError(f"there is no log {path} yet; start a run: synapsed start")

    def write(line: str) -> None:
        print_json({"line": line}, indent=None) if as_json else say(line)

    def wait() -> bool:
        out().require_reader()
        time.sleep(POLL_SECONDS)
        return True

    position = 0
    if path.exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in deque(file, maxlen=lines):
                write(line.rstrip("\n"))
            position = file.tell()
    if follow:
        try:
            for line in follow_lines(path, position, wait=wait):
                write(line)
        except KeyboardInterrupt:
            return


def follow_lines(path: Path, position: int, *, wait: Callable[[], bool]) -> Iterator[str]:
    """Lines added to a file behind `position`, also after it was moved away and created again, or cut.

    `wait` pauses between looks and ends it all by returning False.
    """
    file: TextIO | None = None
    partial = ""
    try:
        while True:
            if file is None and path.exists():
                file = path.open(encoding="utf-8", errors="replace")
                file.seek(position)
            if file is not None:
                # Asked first: what was added before the move is still read below.
                moved = _is_another(path, file)
                while chunk := file.readline():
                    partial += chunk
                    if partial.endswith("\n"):
                        yield partial.rstrip("\n")
                        partial = ""
                if moved:
                    file.close()
                    file, position = None, 0
                    continue
            if not wait():
                return
    finally:
        if file is not None:
            file.close()


def _is_another(path: Path, file: TextIO) -> bool:
    """Whether the path now names another file than the open one, or the same one cut short."""
    import os

    try:
        now, ours = path.stat(), os.fstat(file.fileno())
    except FileNotFoundError:
        return False  # between rename and creation: look again
    return (now.st_ino, now.st_dev) != (ours.st_ino, ours.st_dev) or now.st_size < file.tell()


def _remember(frame: dict[str, Any], position: dict[str, Any]) -> None:
    """Where to resume the feed."""
    if frame["type"] == "welcome":
        position.update(epoch=frame["epoch"], seq=frame["seq"])
    elif frame["type"] == "event":
        position["seq"] = frame["seq"]
