"""The machine sleeps, or the program is frozen: time in which nobody ran is nobody's silence."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.supervisor.clock import SystemClock
from daemon.trainer_protocol import RunState
from tests.daemon_process import DaemonProcess
from tests.unit.daemon.supervisor.scripted_trainer import write_script
from tests.unit.daemon.supervisor.stage import quick_life, staged, start_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.home import Home
    from daemon.supervisor.live_run import LiveRun

pytestmark = pytest.mark.faults

SILENCE_SECONDS = 2.0
FROZEN_SECONDS = 4.0
PROGRAM = """
import sys
from pathlib import Path
from daemon.cli.views import PlainView
from daemon.home import Home
from daemon.supervisor.daemon import Daemon
from tests.unit.daemon.supervisor.scripted_trainer import write_script
from tests.unit.daemon.supervisor.stage import quick_life, start_request

home = Home.open(Path(sys.argv[1]), environ={})
life = quick_life(silence_seconds=float(sys.argv[2]))
sys.exit(Daemon(home, port=0, listener=PlainView(home), life=life).run(start_request()))
"""


@contextlib.contextmanager
def impatient_daemon(home: Home) -> Iterator[DaemonProcess]:
    command = [sys.executable, "-c", PROGRAM, str(home.root), str(SILENCE_SECONDS)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    daemon = DaemonProcess.of(process)
    try:
        yield daemon
    finally:
        daemon.close()


@pytest.mark.fault(
    "Frozen and suspended",
    tried="daemon and trainer are stopped (SIGSTOP to the group, as by Ctrl+Z) for longer than a silence may last",
    happens="they resume where they stopped; no trainer is considered dead",
)
def test_a_frozen_group_learns_on(home: Home) -> None:
    write_script(home.root, step_seconds=0.5)
    with impatient_daemon(home) as daemon:
        daemon.wait_for_line("Step")
        for _ in range(2):
            os.killpg(daemon.pid, signal.SIGSTOP)
            with pytest.raises(subprocess.TimeoutExpired):
                daemon.process.wait(FROZEN_SECONDS)
            os.killpg(daemon.pid, signal.SIGCONT)
            daemon.wait_for_line("Step")
        daemon.interrupt()
        assert daemon.wait() == 0
        assert "Trainer lost" not in daemon.output()
        assert "(final)" in daemon.output()


class Jumping(SystemClock):
    """The machine's clock, which jumps two hours ahead at every third look."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return super().monotonic() + self.looks // 3 * 7200.0


@pytest.mark.fault(
    "Frozen and suspended",
    tried="the clock jumps two hours ahead again and again while a trainer that rarely sends a message is working",
    happens="it is left alone",
)
@pytest.mark.anyio
async def test_hours_slept_through_are_no_silence(home: Home) -> None:
    clock, life = Jumping(), quick_life(silence_seconds=20.0)
    async with staged(home, clock=clock, life=life, script={"step_seconds": 2.5}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(functools.partial(reached, run, 4))
        assert "trainer_lost" not in news.kinds()
        assert (run.session, run.state) == (1, RunState.RUNNING)
        assert clock.looks > 6


def reached(run: LiveRun, step: int) -> bool:
    return run.step >= step
