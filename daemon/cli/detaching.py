"""Leaving a daemon in the background: spawn it in a session of its own, wait until it answers, say where."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import typer

from daemon.cli.access import one_time_url
from daemon.cli.output import print_json
from daemon.cli.printing import complain, say
from daemon.errors import DaemonError, HomeBusyError
from daemon.home import DaemonFile, Home
from daemon.log_room import set_aside

ANSWER_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.05
OWN_OPTIONS = frozenset({"--detach", "--open", "--no-open", "--json"})


def detach(home: Home, arguments: Sequence[str], *, open_browser: bool, as_json: bool) -> None:
    """Run the same command line in the background and return once the daemon answers.

    Raises:
        HomeBusyError: when a daemon runs in this home already.
        typer.Exit: with the daemon's own exit code after its last line, when it ends before it answers.
        DaemonError: when it does not answer in time.
    """
    if other := home.read_daemon_file():
        raise HomeBusyError(
            f"a daemon runs in {home.root} already: {other.url} (pid {other.pid}); "
            f"stop it first: synapsed stop{home.flag}"
        )
    home.prepare()
    log_path = home.logs / "daemon.log"
    child = spawn([argument for argument in arguments if argument not in OWN_OPTIONS], home, log_path)
    info = _wait_until_answers(child, home, log_path)
    page = one_time_url(home) if open_browser else info.url
    if open_browser:
        import webbrowser

        webbrowser.open(page)
    if as_json:
        print_json({**asdict(info), "home": str(home.root), "log": str(log_path)})
    else:
        say(f"synapsed runs at {info.url} (pid {info.pid}); stop it: synapsed stop{home.flag}")


def spawn(arguments: Sequence[str], home: Home, log_path: Path) -> subprocess.Popen[bytes]:
    """The daemon as a process in a new session, its output in the log."""
    own_session: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own_session = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    # The home again and last: the one in the arguments may be relative.
    command = [sys.executable, "-m", "daemon", *arguments, "--no-open", "--home", str(home.root)]
    set_aside(log_path, parts=1)
    with log_path.open("ab") as log:  # appending, so that the daemon can cut it while it is written
        return subprocess.Popen(  # noqa: S603 (our own command line)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **own_session
        )


def _wait_until_answers(child: subprocess.Popen[bytes], home: Home, log_path: Path) -> DaemonFile:
    deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        exit_code = child.poll()
        info = home.read_daemon_file()
        if info is not None and _healthy(info.url):
            return info
        if exit_code is not None:
            last_words = _last_line(log_path)
            complain(last_words)
            raise typer.Exit(exit_code)
        time.sleep(POLL_SECONDS)
    raise DaemonError(f"the daemon (pid {child.pid}) does not answer yet; see {log_path}")


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url.rstrip('/')}/api/v1/health", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _last_line(log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), f"synapsed: it ended; see {log_path}")
