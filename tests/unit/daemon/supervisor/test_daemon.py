"""A daemon as a process: its port, its lock, its signals, its death."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import signal
import socket
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from daemon.errors import HomeBusyError, PortTakenError, UsageError
from daemon.supervisor.audiences.log_file import LogFile
from daemon.supervisor.daemon import Daemon
from daemon.supervisor.os_signals import ECHO_SECONDS
from tests.forked_program import ForkedProgram, start_program
from tests.process_ends import still_alive
from tests.unit.daemon.supervisor.scripted_trainer import write_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.home import Home

PROGRAM = "tests.unit.daemon.supervisor.shown_daemon:main"


class Running:
    """A daemon process and the lines it printed."""

    def __init__(self, process: subprocess.Popen[str] | ForkedProgram, home: Home) -> None:
        self.process = process
        self.home = home
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        assert process.stdout is not None
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            with self._news:
                self.lines.append(json.loads(line))
                self._news.notify_all()

    def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        with self._news:
            found = self._news.wait_for(lambda: next((one for one in self.lines if wanted(one)), None), 120.0)
            assert found is not None, self.lines[-5:]
            return found

    def learning(self) -> None:
        self.until(lambda line: line["kind"] == "delta" and line["step"] > 5)

    def trainers(self) -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]

    def get(self, path: str) -> httpx.Response:
        url = self.until(lambda line: line["kind"] == "listening")["url"]
        headers = {"Authorization": f"Bearer {self.home.token()}"}
        return httpx.get(f"{url}/api/v1{path}", headers=headers, trust_env=False)


@contextlib.contextmanager
def daemon_running(
    home: Home, first: str = "serve", *, grace_seconds: float = 10.0, spawning: bool = False
) -> Iterator[Running]:
    """`spawning`: in an interpreter of its own, as a shell does it."""
    arguments = [str(home.root), first, str(grace_seconds)]
    process = start_program(PROGRAM, arguments, spawning=spawning, stderr=2, text=True)
    try:
        yield Running(process, home)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def gone(process: psutil.Process) -> bool:
    return not still_alive([process], timeout=20)


def test_ctrl_c_saves_and_ends_well(home: Home) -> None:
    with daemon_running(home, "start", spawning=True) as daemon:
        daemon.learning()
        (trainer,) = daemon.trainers()
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(20) == 0
        assert gone(trainer)
        daemon.until(lambda line: line["kind"] == "stopping")
        daemon.until(lambda line: line["kind"] == "event" and "(final)" in line["message"])
        assert daemon.until(lambda line: line.get("state") == "stopped")["reason"] == "Ctrl+C"
        assert not (home.root / "daemon.json").exists()
        log = home.training_log.read_text()
        assert "BPC=" in log
        assert "(final)" in log
        assert home.token() not in log


def test_a_signal_passed_on_twice_by_a_runner_is_one_wish(home: Home) -> None:
    with daemon_running(home, "start") as daemon:
        daemon.learning()
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGINT)  # a queue of one a kind: two of one kind may become one
        assert daemon.process.wait(20) == 0
        daemon.until(lambda line: line["kind"] == "event" and "(final)" in line["message"])


def test_a_second_signal_leaves_at_once_with_the_last_checkpoint_intact(home: Home) -> None:
    write_script(home.root, ignores_orders=True)
    with daemon_running(home, "start", grace_seconds=60.0) as daemon:
        daemon.learning()
        (trainer,) = daemon.trainers()
        daemon.process.send_signal(signal.SIGINT)
        daemon.until(lambda line: line["kind"] == "stopping")
        waiting = daemon.until(lambda line: "still saving" in line.get("notice", ""))["notice"]
        assert "up to 60 s. Ctrl+C again ends at once" in waiting
        with pytest.raises(subprocess.TimeoutExpired):  # its trainer ignores orders, and it waits
            daemon.process.wait(2 * ECHO_SECONDS)
        daemon.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert daemon.process.wait(20) == 130
        assert time.monotonic() - began < 10.0
        assert gone(trainer)
        ended = daemon.until(lambda line: line.get("state") == "stopped")
        words = "ended at once, without a last save; the last checkpoint is continuous_1700000001; the "
        assert ended["reason"].startswith(words)
        assert (home.checkpoints / "continuous_1700000001").is_dir()


def test_kill_9_leaves_no_orphan_and_the_next_daemon_closes_the_books(home: Home) -> None:
    with daemon_running(home, "start") as daemon:
        daemon.learning()
        (trainer,) = daemon.trainers()
        daemon.process.kill()
        daemon.process.wait()
        assert gone(trainer)
    with daemon_running(home) as daemon:
        ended = daemon.until(lambda line: line.get("state") == "stopped")
        assert "the daemon died; continue with: synapsed resume continuous_" in ended["reason"]
        (run,) = daemon.get("/runs").json()["items"]
        assert run["state"] == "stopped"
        daemon.process.terminate()
        assert daemon.process.wait(20) == 0
    with daemon_running(home, "resume") as daemon:
        again = daemon.until(lambda line: line.get("state") == "running")
        assert again["id"] == ended["id"]


def test_the_daemon_ends_with_its_run(home: Home) -> None:
    write_script(home.root, finish_at_step=8)
    with daemon_running(home, "start") as daemon:
        assert daemon.process.wait(30) == 0
    write_script(home.root, refuse="nothing to read")
    with daemon_running(home, "start") as daemon:
        assert daemon.process.wait(30) == 2  # the user's to mend, not the daemon's
        assert daemon.until(lambda line: line.get("state") == "crashed")["reason"] == "nothing to read"


def test_shutdown_over_http_and_what_it_costs(home: Home) -> None:
    with daemon_running(home, spawning=True) as daemon:
        listening = daemon.until(lambda line: line["kind"] == "listening")
        assert daemon.get("/health").json()["home_id"] == home.id
        assert home.token() not in listening["one_time_url"]
        info = home.read_daemon_file()
        assert info is not None
        assert (info.pid, info.url) == (daemon.process.pid, listening["url"])
        assert daemon.get("/presets").status_code == 200
        assert psutil.Process(daemon.process.pid).memory_info().rss < 150e6
        headers = {"Authorization": f"Bearer {home.token()}"}
        httpx.post(f"{listening['url']}/api/v1/shutdown", headers=headers, trust_env=False)
        assert daemon.process.wait(20) == 0


def test_a_full_disk_costs_the_log_a_line_and_the_terminal_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.Logger("full", logging.INFO)  # noqa: LOG001
    with contextlib.closing(LogFile(tmp_path / "x.log")) as file:
        log.addHandler(file)

        def full() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(file, "flush", full)
            log.info("lost")
        log.info("kept")
    assert "kept" in (tmp_path / "x.log").read_text()
    assert capsys.readouterr().err == ""


def test_a_second_daemon_names_the_first(home: Home) -> None:
    with daemon_running(home) as daemon:
        url = daemon.until(lambda line: line["kind"] == "listening")["url"]
        with pytest.raises(HomeBusyError, match=url):
            Daemon(home, port=0).run()


def test_a_taken_port_is_a_clear_line(home: Home) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port}"):
            Daemon(home, port=port).run()


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("0.0.0.0", 0, "--allow-remote"),
        ("no.such.host.invalid", 0, "is not an address of this machine"),
        ("127.0.0.1", 70000, "65535"),
    ],
)
@pytest.mark.timeout(20)
def test_a_host_or_port_that_cannot_be(home: Home, host: str, port: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Daemon(home, host=host, port=port).run()


def test_a_database_that_is_none_is_set_aside_and_reported(home: Home) -> None:
    (home.root / "synapsed.db").write_bytes(b"this is no database " * 500)
    with daemon_running(home) as daemon:
        notice = daemon.until(lambda line: line["kind"] == "notice")["notice"]
        (aside,) = home.root.glob("synapsed.db.damaged-*")
        assert f"was damaged (file is not a database) and is kept as {aside.name}" in notice
        daemon.until(lambda line: line["kind"] == "listening")


@pytest.mark.parametrize("hangs", [True, False])
def test_a_view_that_hangs_or_fails_at_everything_holds_nothing_up(home: Home, hangs: bool) -> None:
    """It answers, stops when it is asked to, and ends soon."""
    gate, called = threading.Event(), threading.Event()

    class Stuck:
        def _fail(self, *_: Any) -> None:
            called.set()
            if hangs:
                gate.wait()
            raise ValueError("a bug")

        on_notice = on_listening = on_run = on_delta = on_event = on_stopping = on_gap = on_ended = _fail

    codes = list[int]()
    thread = threading.Thread(target=lambda: codes.append(Daemon(home, port=0, listener=Stuck()).run()))
    thread.start()
    assert called.wait(20)
    info = home.read_daemon_file()
    assert info is not None
    headers = {"Authorization": f"Bearer {home.token()}"}
    assert httpx.post(f"{info.url}/api/v1/shutdown", headers=headers, trust_env=False).status_code == 202
    thread.join(20)
    gate.set()
    assert codes == [0]


def test_it_runs_in_a_thread_too(home: Home) -> None:
    """Without signals; what a test or a notebook may do."""

    class Shown:
        url = ""
        listening = threading.Event()

        def on_notice(self, notice: str) -> None: ...

        def on_listening(self, url: str, one_time_url: str) -> None:
            self.url = url
            self.listening.set()

        def on_run(self, run: dict[str, Any]) -> None: ...
        def on_delta(self, delta: dict[str, Any]) -> None: ...
        def on_event(self, event: dict[str, Any]) -> None: ...
        def on_stopping(self) -> None: ...
        def on_gap(self, dropped: int) -> None: ...
        def on_ended(self) -> None: ...

    shown, codes = Shown(), list[int]()
    thread = threading.Thread(target=lambda: codes.append(Daemon(home, port=0, listener=shown).run()))
    thread.start()
    assert shown.listening.wait(20)
    headers = {"Authorization": f"Bearer {home.token()}"}
    assert httpx.post(f"{shown.url}/api/v1/shutdown", headers=headers, trust_env=False).status_code == 202
    thread.join(20)
    assert codes == [0]
