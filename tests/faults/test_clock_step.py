"""The clock of the machine is set: the daemon is found by what it holds, not by when it began."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psutil
import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.cli.app import main
from tests.unit.daemon.checkpoint.samples import Clock, save_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = pytest.mark.faults


@pytest.mark.fault(
    "The clock is changed",
    tried="an hour forward, an hour back: every start time that the system reports moves with it",
    happens="status and stop find the daemon; a second start names it",
)
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_the_daemon_is_found(
    home: Home,
    launch: Callable[..., DaemonProcess],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seconds: int,
) -> None:
    daemon = launch("serve")
    daemon.wait_for_line("synapsed answers at")
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) + seconds)
    where = ("--home", str(home.root))
    assert main(("status", *where)) == 0
    assert "synapsed answers at" in capsys.readouterr().out
    assert main(("serve", "--port", "0", "--no-open", *where)) == 3
    assert f"(pid {daemon.pid}); stop it first" in capsys.readouterr().err
    assert main(("stop", *where)) == 0
    assert daemon.wait() == 0


@pytest.mark.fault(
    "The clock is changed",
    tried="two hours back between two saves of a run, with checkpoints of another run there",
    happens="lists give each run's checkpoints in the order they were saved, newest first",
)
def test_checkpoints_stay_in_their_order(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    save_steps(home.checkpoints, [8], run_id="r-2", clock=clock)
    before = save_steps(home.checkpoints, [1, 2], clock=clock)
    clock.now -= 7200
    after = save_steps(home.checkpoints, [3, 4], clock=clock)
    own = [path.name for path in reversed([*before, *after])]
    listed = [info for info in Catalogue(home.checkpoints).list() if info.manifest.run_id == "r-1"]
    assert [info.name for info in listed] == own
    assert main(("checkpoints", "--json", "--home", str(home.root))) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in shown if item["run"] == "r-1"] == own
