"""More text than there is room for, and text that is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.forked_program import start_program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = pytest.mark.faults

ROOM = 16 << 20


def command(home: Home, *arguments: str | bytes) -> subprocess.CompletedProcess[str]:
    """The command, as a process; in an interpreter of its own where an argument is not text."""
    whole = [*arguments, "--home", str(home.root)]
    texts = [argument for argument in whole if isinstance(argument, str)]
    if len(texts) < len(whole):
        line = [sys.executable, "-m", "daemon", *whole]
        return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    process = start_program("daemon.cli.app:run", texts, text=True)
    outputs = process.communicate(timeout=120)
    return subprocess.CompletedProcess(texts, process.wait(), *outputs)


@pytest.mark.fault(
    "Text pushed in",
    tried="17 MiB are fed to a run that reads nothing; then the rest of them",
    happens="one line with how much is journaled and the command that continues from there; nothing is taken twice",
)
def test_more_than_there_is_room_for_can_be_gone_on_with(
    home: Home, launch: Callable[..., DaemonProcess], tmp_path: Path
) -> None:
    daemon = launch("start", "--preset", "tiny")
    daemon.wait_for_line("Step ")
    assert command(home, "pause").returncode == 0
    large = tmp_path / "large.txt"
    large.write_text("0123456789abcde\n" * ((ROOM + (1 << 20)) // 16))
    fed = command(home, "feed", str(large))
    found = re.search(r"Continue from there: synapsed feed --from (\d+) --run \S+ --home ", fed.stderr)
    assert found, fed.stderr
    taken = int(found[1])
    assert (fed.returncode != 0, len(fed.stderr.splitlines()), ROOM - 250_000 < taken <= ROOM) == (
        True,
        1,
        True,
    )
    again = command(home, "feed", "--from", str(taken), str(large))
    assert f"--from {taken} " in again.stderr
    info = home.read_daemon_file()
    assert info is not None
    token = {"Authorization": f"Bearer {home.token()}"}
    events = httpx.get(
        f"{info.url}/api/v1/events",
        params={"kind": "experience_pushed", "limit": 500},
        headers=token,
        timeout=60,
    ).json()["items"]
    assert sum(event["data"]["num_bytes"] for event in events) == taken


@pytest.mark.fault(
    "Text pushed in",
    tried="ask, names and settings whose bytes are not valid UTF-8, from a terminal of another encoding",
    happens="one line names the byte and what to do; no traceback, no 500",
)
def test_an_argument_that_is_no_text_is_one_line(home: Home) -> None:
    for arguments in (
        (b"ask", b"caf\xe9"),
        (b"start", b"--name", b"caf\xe9"),
        (b"start", b"--set", b"preset=caf\xe9"),
        (b"resume", b"--name", b"caf\xe9"),
        (b"start", b"--brain", b"caf\xe9"),
        (b"status", b"--run", b"caf\xe9"),
    ):
        printed = command(home, *arguments)
        assert (printed.returncode != 0, len(printed.stderr.splitlines())) == (True, 1), (
            arguments,
            printed.stderr,
        )
        assert printed.stderr.startswith("synapsed: ")


@pytest.mark.fault(
    "Text pushed in",
    tried="an endless stream, /dev/zero, a pipe nobody writes to, a terminal's device, a folder",
    happens="one line: what it is, and how to feed it or how much is taken at most; no waiting, bounded memory",
)
def test_what_never_ends_is_refused(home: Home, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    bounded = f"ulimit -v {2 << 20}; "  # KiB
    feed = f"{sys.executable} -m daemon feed --home {home.root}"
    for line, expected in (
        (f"yes | {feed} -", "more than the 64 MiB that feed takes in one command"),
        (f"{feed} - < /dev/zero", "more than the 64 MiB"),
        (f"{feed} - <&-", "there is no standard input to read"),
        (f"{feed} /dev/zero", "is not a regular file"),
        (f"{feed} /dev/tty", "is not a regular file"),
        (f"{feed} {pipe}", "is not a regular file"),
        (f"{feed} {tmp_path}", "is a folder"),
    ):
        printed = subprocess.run(
            ["bash", "-c", bounded + line], capture_output=True, text=True, timeout=60, check=False
        )
        assert (printed.returncode, len(printed.stderr.splitlines())) == (2, 1), (line, printed.stderr)
        assert expected in printed.stderr, line
