"""kill -9 at random moments: always resumable, never behind what was acknowledged, nothing left over."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.system.durable import is_left_over
from tests.daemon_process import DaemonProcess
from tests.process_ends import still_alive

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 6  # of each kind two: one early, one in a run that was resumed several times
OFTEN = "checkpoint.every_seconds=0.3"

Launch = Callable[..., DaemonProcess]


def acknowledged(daemon: DaemonProcess, catalogue: Catalogue) -> int:
    """The newest step that the daemon has reported as saved."""
    reported = [
        line.split("Saved to ")[1].split(" (")[0] for line in daemon.lines if "[Checkpoint] Saved" in line
    ]
    kept = {info.name: info.manifest.step for info in catalogue.list()}  # the rules have pruned some by now
    return max((kept[name] for path in reported if (name := path.rsplit("/", 1)[-1]) in kept), default=0)


def kill_some(daemon: DaemonProcess, trainers: list[psutil.Process], whom: str) -> None:
    if whom in {"supervisor", "both"}:
        daemon.kill()
    if whom in {"trainer", "both"}:
        for trainer in trainers:
            trainer.kill()


@pytest.mark.fault(
    "Killed processes",
    tried="supervisor, trainer or both are killed with SIGKILL, 6 times (with `--long` 24)",
    happens="each resume continues from no less than what was reported as saved; a trainer restarts; no orphan remains",
)
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3, 4))])
def test_killed_again_and_again_it_always_continues(home: Home, launch: Launch, seed: int) -> None:
    chance = random.Random(seed)
    catalogue = Catalogue(home.checkpoints)
    daemon = launch("start", "--preset", "tiny", "--set", OFTEN, spawning=True)
    for kill in range(KILLS):
        daemon.wait_for_line("[Checkpoint] Saved")
        daemon.wait_for_new_line(timeout=chance.uniform(0.0, 0.6))
        trainers = psutil.Process(daemon.pid).children(recursive=True)
        whom = ("supervisor", "both", "trainer")[kill % 3]
        kill_some(daemon, trainers, whom)
        assert not still_alive(trainers, timeout=60), "an orphan trainer stayed"
        if whom != "trainer":  # else the supervisor lives and brings its trainer back by itself
            daemon.close()
        newest = catalogue.latest()
        assert newest is not None
        assert newest.manifest.step >= acknowledged(daemon, catalogue)
        if whom != "trainer":
            daemon = launch("resume", "latest")
        else:
            assert "killed" in daemon.wait_for_line("Trainer lost")
        resumed = daemon.wait_for_line("Resumed from")
        assert newest.name in resumed
        if whom != "trainer":
            assert not [path for path in home.checkpoints.iterdir() if is_left_over(path)]
    daemon.interrupt()
    assert daemon.wait() == 0
    assert "TRAINING SUMMARY" in daemon.output()


@pytest.mark.fault(
    "Killed processes",
    tried="Ctrl+C, then Ctrl+C again",
    happens="the daemon leaves at once with the last good checkpoint",
)
def test_a_second_interrupt_leaves_at_once_with_the_last_good_checkpoint(home: Home, launch: Launch) -> None:
    daemon = launch("start", "--preset", "tiny", "--set", OFTEN)
    daemon.wait_for_line("[Checkpoint] Saved")
    daemon.interrupt()
    daemon.interrupt()
    daemon.wait()
    assert Catalogue(home.checkpoints).latest() is not None
