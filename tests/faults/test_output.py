"""Whoever reads what is printed goes away, stops reading or understands little: learning never notices."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.store.store import Store
from tests.forked_program import start_program
from tests.process_ends import still_alive
from tests.unit.daemon.supervisor.scripted_trainer import write_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

WAIT_SECONDS = 90.0
SOON_SECONDS = 25.0  # below the time-out of a client

# Sets a process up as a shell would, and becomes the command: preexec_fn is not safe beside threads.
BEGIN = """
import fcntl, os, signal, sys, termios
wanted = sys.argv[1].split(",")
if "terminal" in wanted:
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
if "nohup" in wanted:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
if "closed" in wanted:
    os.closerange(0, 3)
os.execv(sys.argv[2], sys.argv[2:])
"""

Start = Callable[..., Any]  # a `subprocess.Popen[bytes]`, or what is used like one


def words_of(home: Home, *arguments: str) -> list[str]:
    begins = [] if arguments[0] not in ("start", "serve") else ["--port", "0", "--no-open"]
    return [*arguments, *begins, "--home", str(home.root)]


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """Starts a command on the test's home in a session of its own; nothing of it outlives the test."""
    processes: list[Any] = []

    def begin(*arguments: str, as_if: str = "", **settings: Any) -> Any:
        if as_if:
            line = [sys.executable, "-c", BEGIN, as_if, sys.executable, "-m", "tests.scripted_daemon"]
            settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
            process: Any = subprocess.Popen(
                [*line, *words_of(home, *arguments)],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **settings,
            )
        else:
            process = program(home, *arguments, spawning="env" in settings, **settings)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def program(home: Home, *arguments: str, **settings: Any) -> Any:
    return start_program("tests.scripted_daemon:main", words_of(home, *arguments), **settings)


def run(home: Home, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    process = program(home, *arguments)
    outputs = process.communicate(timeout=WAIT_SECONDS)
    return subprocess.CompletedProcess(arguments, process.wait(), *outputs)


def until_it_answers(home: Home, process: Any) -> str:
    """Where it answers."""
    while process.poll() is None:
        info = home.read_daemon_file()
        if info is not None:
            return info.url
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError(f"it ended with {process.returncode}")


def states(home: Home) -> list[str]:
    """Every state that the store knows the runs of this home went through."""
    with Store.open(home.database) as store:
        events = store.events(limit=500).items
    return [event["data"]["after"] for event in reversed(events) if event["kind"] == "state_changed"]


def newest_reason(home: Home) -> str:
    newest = Catalogue(home.checkpoints).latest()
    assert newest is not None
    return newest.manifest.reason


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, dict[str, Any]]]:
    """A terminal's far end, and the settings that put a process at its near end, as its own terminal."""
    far, near = pty.openpty()
    try:
        yield far, {"stdout": near, "stderr": near, "as_if": "terminal"}
    finally:
        for end in (near, far):
            with contextlib.suppress(OSError):
                os.close(end)


def bytes_in(pipe: IO[bytes]) -> int:
    """What waits to be read."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))[0])


def learning(home: Home, url: str) -> dict[str, Any]:
    """The run, once it learns; every answer comes soon."""
    return until_learned(home, url, lambda run: True)


def learn_on(home: Home, url: str, *, steps: int) -> None:
    """Wait for the run to learn that many steps more."""
    wanted = learning(home, url)["step"] + steps
    until_learned(home, url, lambda run: run["step"] >= wanted)


def until_learned(home: Home, url: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The run, once it learns and `enough` holds of it; asked often, but not so often that nothing else is done."""
    headers, pause = {"Authorization": f"Bearer {home.token()}"}, threading.Event()
    with httpx.Client(base_url=url, headers=headers, timeout=SOON_SECONDS, trust_env=False) as client:
        while True:
            for run in client.get("/api/v1/runs").json()["items"][:1]:
                if run["state"] == "running" and enough(run):
                    return dict(run)
            pause.wait(0.1)


ALL_STATES = ["starting", "running", "stopping", "finished"]


@pytest.mark.fault(
    "Output that nobody reads",
    tried="`synapsed start --steps 100 | head -3`",
    happens="the run learns to its end, the daemon ends, every event is in the store",
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_reader_that_leaves_changes_nothing(home: Home, start: Start, as_json: bool) -> None:
    write_script(home.root, finish_at_step=100)
    process = start("start", "--preset", "tiny", *(["--json"] if as_json else []))
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(WAIT_SECONDS) == 0
    assert states(home) == ALL_STATES
    assert newest_reason(home) == "final"
    assert process.stderr is not None
    assert process.stderr.read() == b""


@pytest.mark.fault(
    "Output that nobody reads",
    tried="`synapsed start | tee run.log`, then Ctrl+C, which ends `tee` first",
    happens="a final checkpoint, and a daemon that ends well",
)
def test_ctrl_c_saves_though_tee_is_gone(home: Home, start: Start, tmp_path: Path) -> None:
    tee = subprocess.Popen(
        ["tee", str(tmp_path / "run.log")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert tee.stdin is not None
    process = start("start", "--preset", "tiny", stdout=tee.stdin)
    tee.stdin.close()
    learning(home, until_it_answers(home, process))
    tee.send_signal(signal.SIGINT)
    tee.wait(WAIT_SECONDS)
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_SECONDS) == 0
    assert newest_reason(home) == "final"
    assert states(home)[-1] == "stopped"


@pytest.mark.fault(
    "Output that nobody reads",
    tried="`synapsed start --json | sleep 600`: a full pipe that nobody reads",
    happens="page and commands answer, `stop` saves and ends the daemon",
)
def test_a_full_pipe_holds_nothing_up(home: Home, start: Start) -> None:
    process = start("start", "--preset", "tiny", "--json")
    assert process.stdout is not None
    url, waiting = until_it_answers(home, process), -1
    while (now := bytes_in(process.stdout)) != waiting:  # as long as it takes more
        waiting = now
        learn_on(home, url, steps=50)
    stopped = run(home, "stop")
    assert (stopped.returncode, stopped.stderr) == (0, b"")
    assert process.wait(SOON_SECONDS) == 0
    assert newest_reason(home) == "final"


@pytest.mark.fault(
    "Output that nobody reads",
    tried="Ctrl+S in the terminal, then `stop` from another",
    happens="page and commands answer, the run is saved, the daemon ends",
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_terminal_that_stands_still_holds_nothing_up(home: Home, start: Start, as_json: bool) -> None:
    with terminal() as (far, settings):
        process = start("start", "--preset", "tiny", *(["--json"] if as_json else []), **settings)
        os.read(far, 1)  # it has begun to print
        os.write(far, b"\x13")
        url = until_it_answers(home, process)
        learn_on(home, url, steps=100)
        assert run(home, "stop").returncode == 0
        assert process.wait(SOON_SECONDS) == 0
    assert newest_reason(home) == "final"


@pytest.mark.fault(
    "Output that nobody reads",
    tried="the terminal's window is closed",
    happens="the run is saved, the daemon ends; under `nohup` it keeps learning",
)
@pytest.mark.parametrize("nohup", [False, True])
def test_a_closed_terminal_ends_it_with_a_last_save(home: Home, start: Start, nohup: bool) -> None:
    with terminal() as (far, settings):
        if nohup:
            settings["as_if"] += ",nohup"
        process = start("start", "--preset", "tiny", **settings)
        os.close(settings["stdout"])
        url = until_it_answers(home, process)
        learning(home, url)
        trainers = psutil.Process(process.pid).children(recursive=True)
        os.close(far)
        if nohup:
            learn_on(home, url, steps=100)
            process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
        assert still_alive(trainers, timeout=SOON_SECONDS) == []
    assert newest_reason(home) == "final"
    assert states(home)[-1] == "stopped"


@pytest.mark.fault(
    "Output that nobody reads",
    tried="standard output and standard error are closed from the start",
    happens="nothing else is opened in their place; the run learns to its end",
)
def test_closed_descriptors_are_nobody_elses(home: Home, start: Start) -> None:
    write_script(home.root, finish_at_step=20)
    process = start("start", "--preset", "tiny", as_if="closed")
    assert process.wait(WAIT_SECONDS) == 0
    assert states(home) == ALL_STATES


@pytest.mark.fault(
    "Output that cannot be printed",
    tried="a terminal that speaks cp1252, or ASCII alone",
    happens="missing letters are replaced, or escaped in JSON; nothing fails",
)
@pytest.mark.parametrize("as_json", [False, True])
def test_an_encoding_that_lacks_letters_is_no_fault(home: Home, start: Start, as_json: bool) -> None:
    write_script(home.root, finish_at_step=20)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict" if as_json else "cp1252"}
    process = start("start", "--preset", "tiny", *(["--json"] if as_json else []), env=environment)
    outputs, complaint = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, complaint) == (0, b"")
    if as_json:
        lines = [json.loads(line) for line in outputs.splitlines()]
        assert "starting → running" in [line["message"] for line in lines if line["type"] == "event"]
    else:
        assert b"starting ? running" in outputs
        assert b"TRAINING SUMMARY" in outputs


@pytest.mark.fault(
    "Output that cannot be printed",
    tried="`--detach` with all its logs on a full disk, in a terminal that speaks cp1252",
    happens="success is reported for a daemon that learns; `stop` saves and ends it",
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_logs_on_a_full_disk_stop_nothing(home: Home, start: Start) -> None:
    for name in ("daemon.log", "training.log", "problems.log"):
        (home.logs / name).symlink_to("/dev/full")
    begun = start("start", "--preset", "tiny", "--detach", env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    outputs, complaint = begun.communicate(timeout=WAIT_SECONDS)
    assert (begun.returncode, complaint) == (0, b"")
    info = home.read_daemon_file()
    assert info is not None
    assert f"synapsed runs at {info.url}".encode() in outputs
    daemon = psutil.Process(info.pid)
    try:
        learning(home, info.url)
        stopped = run(home, "stop")
        assert (stopped.returncode, stopped.stderr) == (0, b"")
        assert still_alive([daemon], timeout=SOON_SECONDS) == []
    finally:
        if daemon.is_running():
            daemon.kill()
    assert newest_reason(home) == "final"


LOOKING = (
    ["ask", "what \x1b[31mthen\x9b"],
    ["logs", "-f"],
    ["watch"],
)


@pytest.mark.fault(
    "Output that nobody reads",
    tried="every command that looks at a run, `| head -1`, over a run whose name steers the terminal",
    happens="each ends well and prints nothing about it; control characters are shown, not obeyed",
)
def test_commands_end_with_their_reader_and_obey_no_control_sequence(home: Home, start: Start) -> None:
    daemon = start(
        "start", "--preset", "tiny", "--name", "\x1b]0;owned\x07\x1b[2J\nred", stdout=subprocess.DEVNULL
    )
    learning(home, until_it_answers(home, daemon))
    for arguments in LOOKING:
        process = start(*arguments)
        assert process.stdout is not None
        assert process.stderr is not None
        outputs = process.stdout.readline()
        process.stdout.close()
        assert process.wait(WAIT_SECONDS) == 0, arguments
        assert process.stderr.read() == b"", arguments
        assert outputs.strip(), arguments
        assert not set(outputs.decode()) & set("\x1b\x07\x9b"), arguments
    whole = run(home, "runs").stdout.decode()
    assert "]0;owned [2J red" in whole
    assert not set(whole) & set("\x1b\x07\x9b")
    assert len(whole.splitlines()) == 2, "a name stays in its line"
    assert daemon.poll() is None
    daemon.terminate()
    assert daemon.wait(WAIT_SECONDS) == 0
