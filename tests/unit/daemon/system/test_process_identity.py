from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from daemon.system.process_identity import lives, process_identity


def test_it_stays_and_is_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = process_identity(child.pid)
        assert identity
        assert identity == process_identity(child.pid)
        child.kill()
        child.wait(10)
        assert process_identity(child.pid) is None
    assert process_identity(os.getpid()) == process_identity(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system keeps the time of day itself")
def test_a_step_of_the_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = process_identity(os.getpid())
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 0.0)
    assert process_identity(os.getpid()) == before


def test_elsewhere_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert process_identity(os.getpid()) == f"{psutil.Process().create_time():.2f}"
    assert process_identity(2**22 + 1) is None


@pytest.mark.skipif(sys.platform == "win32", reason="no zombies there")
def test_a_dead_process_that_nobody_collected_lives_no_more() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert lives(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert psutil.pid_exists(child.pid)
        assert process_identity(child.pid) is None
        assert not lives(child.pid)
