"""Leaving a daemon in the background: spawn it in a session of its own, wait until it works, print where."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import typer

from daemon.cli.access_commands import one_time_url
from daemon.cli.client import DaemonClient
from daemon.cli.output import print_json
from daemon.cli.printing import complain, say
from daemon.errors import DaemonError, HomeBusyError
from daemon.home import DaemonFile, Home
from daemon.system.child_logs import set_aside
from daemon.system.own_modules import command_of, environment
from daemon.trainer_protocol import RunState

PROGRAM = "daemon"
ANSWER_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.05
NEWEST_RUNS = 20
LAST_WORDS_BYTES = 16 * 1024
OWN_OPTIONS = frozenset({"--detach", "--open", "--no-open", "--json"})


def detach(home: Home, arguments: Sequence[str], *, learns: bool, open_browser: bool, as_json: bool) -> None:
    """Run the same command line in the background and return once the daemon answers.

    Args:
        home: of the daemon.
        arguments: the command line.
        learns: a run belongs to it; then that must have begun, too.
        open_browser: show the page.
        as_json: print where it is as JSON.

    Raises:
        HomeBusyError: when a daemon runs in this home already.
        typer.Exit: with the daemon's own exit code after its last line, when it ends before that.
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
    info = _wait_until_at_work(child, home, log_path, learns=learns)
    page = one_time_url(home) if open_browser else info.url
    if open_browser:
        import webbrowser

        webbrowser.open(page)
    if as_json:
        print_json({**asdict(info), "home": str(home.root), "log": str(log_path)})
    else:
        say(f"synapsed runs at {info.url} (pid {info.pid}); stop it: synapsed stop{home.flag}")
        if info.remote_url:
            say(
                f"Other machines reach it at {info.remote_url}; log a browser in there: synapsed open{home.flag}"
            )


def spawn(arguments: Sequence[str], home: Home, log_path: Path) -> subprocess.Popen[bytes]:
    """The daemon as a process in a new session, its output in the log."""
    own_session: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own_session = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    # The home again and last: the one in the arguments may be relative.
    command = [*command_of(PROGRAM), *arguments, "--no-open", "--home", str(home.root)]
    with contextlib.ExitStack() as stack:
        log: int | IO[bytes] = subprocess.DEVNULL
        try:
            set_aside(log_path, parts=1)
            # Appending: the daemon may cut it while it is written.
            log = stack.enter_context(log_path.open("ab"))
        except OSError as error:
            complain(f"synapsed: what the daemon prints is lost: cannot write {log_path}: {error.strerror}")
        return subprocess.Popen(  # noqa: S603 (our own command line)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            **own_session,
        )


def _wait_until_at_work(
    child: subprocess.Popen[bytes], home: Home, log_path: Path, *, learns: bool
) -> DaemonFile:
    deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
    answering: DaemonFile | None = None
    while time.monotonic() < deadline:
        exit_code = child.poll()
        answering = home.read_daemon_file()
        if answering is not None and exit_code is None and _is_at_work(home, learns=learns):
            return answering
        if exit_code is not None:
            last_line = _last_line(log_path)
            complain(last_line)
            raise typer.Exit(exit_code)
        time.sleep(POLL_SECONDS)
    if answering is not None:  # it lives, and waits for the trainer of a daemon before it
        return answering
    raise DaemonError(f"the daemon (pid {child.pid}) does not answer yet; see {log_path}")


def _is_at_work(home: Home, *, learns: bool) -> bool:
    """Whether the daemon answers, and a run that it is to begin has begun."""
    try:
        with DaemonClient.connect(home) as daemon:
            if not learns:
                return bool(daemon.get("/health"))
            runs = daemon.items("/runs", limit=NEWEST_RUNS)
            return any(not RunState(run["state"]).ended for run in runs)
    except DaemonError:
        return False


def _last_line(log_path: Path) -> str:
    tail = b""
    with contextlib.suppress(OSError), log_path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - LAST_WORDS_BYTES))
        tail = file.read(LAST_WORDS_BYTES)
    lines = tail.decode("utf-8", errors="replace").replace("\0", "").splitlines()
    return next((line for line in reversed(lines) if line.strip()), f"synapsed: it ended; see {log_path}")
