"""A daemon that other machines are to reach."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from daemon.supervisor.listening import reachable_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = pytest.mark.faults


@pytest.mark.fault(
    "Listening on the network",
    tried="--host 0.0.0.0 with --allow-remote; the printed address for other machines is opened",
    happens="start, open and the API show one beside 127.0.0.1, and its one-time address lets a browser in",
)
@pytest.mark.skipif(reachable_address() is None, reason="this machine has no network")
def test_an_address_for_other_machines_is_reported(home: Home, launch: Callable[..., DaemonProcess]) -> None:
    daemon = launch("serve", "--host", "0.0.0.0", "--allow-remote")
    here = daemon.wait_for_line("synapsed answers at").split()[-1]
    printed = daemon.wait_for_line("other machines reach it at")
    remote = printed.partition(" reach it at ")[2].split()[0]
    assert "127.0.0.1" in here
    assert remote == f"http://{reachable_address()}:{here.rpartition(':')[2]}"
    opened = subprocess.run(
        [sys.executable, "-m", "daemon", "open", "--home", str(home.root)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"BROWSER": "true", "PATH": "/usr/bin:/bin"},
    )
    first, second = opened.stdout.splitlines()
    assert (first.partition("/?")[0], second.partition("/?")[0]) == (here, remote)
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as browser:
        assert browser.get(f"{remote}/").status_code == 401
        page = browser.get(second)
        assert page.status_code == 200
        assert browser.get(f"{remote}/api/v1/runs").status_code == 200
