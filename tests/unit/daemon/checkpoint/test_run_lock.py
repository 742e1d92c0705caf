"""One trainer a run, and the system itself frees what a dead one held."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.checkpoint.run_lock import RunLock
from daemon.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, pathlib
from daemon.checkpoint.run_lock import RunLock
RunLock(pathlib.Path(sys.argv[1]), "r-1").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_held_once_and_given_back(tmp_path: Path) -> None:
    with RunLock(tmp_path, "r-1") as lock:
        assert lock.path.is_file()
        with pytest.raises(ConflictError, match="Run r-1 is still held by process"):
            RunLock(tmp_path, "r-1").acquire()
        RunLock(tmp_path, "r-2").acquire()
    RunLock(tmp_path, "r-1").acquire()


def test_waits_as_long_as_it_may_and_reports_it_once(tmp_path: Path) -> None:
    holder = RunLock(tmp_path, "r-1")
    holder.acquire()
    reported: list[int | None] = []
    now = 0.0

    def pause(seconds: float) -> None:
        nonlocal now
        now += 1.0
        if now == 3:
            holder.release()

    RunLock(
        tmp_path, "r-1", timeout_seconds=10, waiting=reported.append, monotonic=lambda: now, pause=pause
    ).acquire()
    assert now == 3
    assert len(reported) == 1


def test_it_stops_trying_in_the_end(tmp_path: Path) -> None:
    RunLock(tmp_path, "r-1").acquire()
    ticks = iter(range(100))
    with RunLock(tmp_path, "r-9"), pytest.raises(ConflictError):
        RunLock(
            tmp_path, "r-9", timeout_seconds=5, monotonic=lambda: next(ticks), pause=lambda _: None
        ).acquire()


def test_time_slept_through_is_the_holders_too(tmp_path: Path) -> None:
    holder = RunLock(tmp_path, "r-1")
    holder.acquire()
    now = looks = 0

    def pause(_: float) -> None:
        nonlocal now, looks
        looks += 1
        now += 7200 if looks == 2 else 1  # frozen, both of them
        if looks == 6:
            holder.release()

    RunLock(tmp_path, "r-1", timeout_seconds=10, monotonic=lambda: float(now), pause=pause).acquire()
    assert looks == 6


def test_death_frees_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lock = RunLock(tmp_path, "r-1")
        with pytest.raises(ConflictError, match=f"process {holder.pid}"):
            lock.acquire()
        holder.kill()
        holder.wait(10)
    lock.acquire()
    lock.release()


@pytest.mark.parametrize("run_id", ["", "..", ".", "a/b", "/etc"])
def test_an_id_is_a_name(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(UsageError):
        RunLock(tmp_path, run_id)
