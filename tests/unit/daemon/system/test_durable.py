"""Changes to a disk where others have files open: Windows refuses them meanwhile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.system.durable import (
    Disk,
    is_left_over,
    replace_file,
    temporary_beside,
    when_let_go,
    write_whole,
)


class InUse:
    """A call that Windows refuses a number of times, because another program has the file open."""

    def __init__(self, call: Any, times: int) -> None:
        self._call, self.left = call, times

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        if self.left:
            self.left -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is in use")
        return self._call(*arguments, **settings)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(sys, "platform", "win32")
    return waited


def in_use(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    refused = InUse(getattr(Path, name), times)

    def call(path: Path, *arguments: Any, **settings: Any) -> Any:  # a method, as an object is not
        return refused(path, *arguments, **settings)

    monkeypatch.setattr(Path, name, call)


def test_replacing_a_file_waits_until_it_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    in_use(monkeypatch, "replace", 3)
    replace_file(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"
    assert len(pauses) == 3


@pytest.mark.parametrize("name", ["rename", "unlink"])
def test_renaming_and_deleting_wait_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float], name: str
) -> None:
    (tmp_path / "a").write_text("a")
    in_use(monkeypatch, name, 2)
    if name == "rename":
        Disk().rename(tmp_path / "a", tmp_path / "b")
    else:
        Disk().remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert len(pauses) == 2


def test_what_is_never_let_go_is_an_error_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    (tmp_path / "kept").write_text("old")
    in_use(monkeypatch, "replace", 100)
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "kept", b"new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    assert sum(pauses) < 5


def test_elsewhere_no_right_is_no_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))
    with pytest.raises(PermissionError):
        when_let_go(InUse(lambda: None, 1))


def test_a_step_of_the_clock_makes_no_temporary_a_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = temporary_beside(tmp_path / "file")
    if sys.platform == "linux":
        create_time = psutil.Process.create_time
        monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + 3600)
    assert not is_left_over(mine)


@pytest.mark.skipif(sys.platform == "win32", reason="no zombies there")
def test_what_a_dead_process_left_is_left_over_before_anybody_collects_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from daemon.system.durable import temporary_beside as t; "
    )
    program += "print(t(Path(sys.argv[1])), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        name = Path(child.stdout.readline().strip())
        assert not is_left_over(name)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_left_over(name)
