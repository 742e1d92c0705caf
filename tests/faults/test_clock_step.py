"""The clock of the machine is set: the daemon is found by what it holds, not by when it began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from daemon.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = pytest.mark.faults


@pytest.mark.fault(
    "The clock is set",
    tried="an hour forward, an hour back: every start time that the system tells moves with it",
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
    tell = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: tell(process) + seconds)
    where = ("--home", str(home.root))
    assert main(("status", *where)) == 0
    assert "synapsed answers at" in capsys.readouterr().out
    assert main(("serve", "--port", "0", "--no-open", *where)) == 3
    assert f"(pid {daemon.pid}); stop it first" in capsys.readouterr().err
    assert main(("stop", *where)) == 0
    assert daemon.wait() == 0
