"""Daemons under attack, none of which outlives its test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from tests.daemon_process import DaemonProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.home import Home


@pytest.fixture
def launch(home: Home) -> Iterator[Callable[..., DaemonProcess]]:
    """Starts `synapsed <arguments>` on the test's home."""
    daemons: list[DaemonProcess] = []

    def start(*arguments: str) -> DaemonProcess:
        daemons.append(DaemonProcess.start(home, *arguments))
        return daemons[-1]

    yield start
    for daemon in daemons:
        if daemon.alive():
            family = [*psutil.Process(daemon.pid).children(recursive=True), psutil.Process(daemon.pid)]
            for process in family:
                process.kill()
        daemon.close()
