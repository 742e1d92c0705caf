"""kill -9 while saving, and a write the kernel refuses: always resumable, never behind what was reported."""

from __future__ import annotations

import random
import resource
import signal
from typing import TYPE_CHECKING

import pytest
import torch

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.checkpoint.checkpoint_writer import CheckpointWriter
from daemon.checkpoint.snapshot import Snapshot
from daemon.config.tree import CheckpointConfig
from daemon.events import CheckpointFailed, CheckpointSaved, Event
from tests.fork_server import fork_server

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

pytestmark = pytest.mark.faults

NUM_KILLS = 24
KEEP_TWO = CheckpointConfig(keep_latest=2, keep_hourly=1, keep_daily=0)


def snapshot(step: int) -> Snapshot:
    """A quarter of a MiB, every value the step, and half of one to be compressed."""
    model = {"w": torch.full((32_768,), float(step)), "v": torch.arange(32_768) + step}
    return Snapshot(
        step=step,
        samples=step,
        reason="auto",
        model=model,
        learning={"counts": torch.arange(65_536) * step},
        tables=frozenset({"counts"}),
        state={"step_again": step},
    )


def live(folder: Path, session: int, first_step: int, pipe: Connection) -> None:
    """Save in a tight bounded loop and acknowledge each commit."""

    def acknowledge(event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            pipe.send(event.step)

    torch.set_num_threads(1)
    writer = CheckpointWriter(folder, run_id="r-1", session=session, retention=KEEP_TWO, emit=acknowledge)
    pipe.send("ready")
    for step in range(first_step, first_step + 2000):
        writer.begin(snapshot(step), wait=True)
    writer.close()


def acknowledged_until_killed(folder: Path, session: int, first_step: int, dice: random.Random) -> int:
    """Let one life save, kill it at a random moment, and return the last step it acknowledged."""
    processes = fork_server()  # torch is loaded once, for all lives
    here, there = processes.Pipe(duplex=False)
    process = processes.Process(target=live, args=(folder, session, first_step, there))
    process.start()
    there.close()
    assert here.recv() == "ready"
    last = first_step - 1
    for _ in range(dice.randrange(4)):  # counted in saves, so that a busy machine sees the same moments
        assert here.poll(60)
        last = here.recv()
    here.poll(dice.uniform(0.0, 0.01))
    process.kill()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    while here.poll():
        try:
            last = here.recv()
        except EOFError:
            break
    return last


@pytest.mark.fault(
    "Killed processes",
    tried="a writer of checkpoints is killed with SIGKILL at random moments",
    happens="what was committed loads; no partial checkpoint is mistaken for a complete one",
)
def test_killed_at_random_moments(tmp_path: Path) -> None:
    dice = random.Random(11)
    folder = tmp_path / "checkpoints"
    catalogue = Catalogue(folder)
    step = 0
    num_left_over = 0
    for session in range(1, NUM_KILLS + 1):
        acknowledged = acknowledged_until_killed(folder, session, step + 1, dice)
        num_left_over += len(catalogue.sweep())
        if folder.exists():
            assert [path.name for path in folder.iterdir() if not path.name.startswith("continuous_")] == []
        if not catalogue.list():
            assert acknowledged == 0
            continue
        loaded = load_newest(catalogue, "r-1", emit=lambda event: pytest.fail(event.message))
        assert loaded.manifest.step >= acknowledged
        assert loaded.state["step_again"] == loaded.manifest.step
        meant = snapshot(loaded.manifest.step)
        assert torch.equal(loaded.model["w"], meant.model["w"])
        assert torch.equal(loaded.model["v"], meant.model["v"])
        assert torch.equal(loaded.learning["counts"], meant.learning["counts"])
        step = loaded.manifest.step
        for info in catalogue.list():
            catalogue.verify(info.path)
    assert step > 0
    assert num_left_over > 0  # else no kill ever hit a save


def fill(folder: Path, pipe: Connection) -> None:
    """Save under a limit on the size of files, as the kernel sets it: one fits, a larger one does not."""
    # Then the write fails with EFBIG instead of ending the process.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    events: list[Event] = []
    writer = CheckpointWriter(folder, run_id="r-1", session=1, retention=KEEP_TWO, emit=events.append)
    writer.save_now(snapshot(1))
    big = Snapshot(step=2, samples=2, reason="auto", model={"w": torch.zeros(1_000_000)})
    writer.save_now(big)
    writer.save_now(snapshot(3))
    writer.close()
    pipe.send(events)


@pytest.mark.fault(
    "Full disk",
    tried="the kernel refuses a write in the middle of a checkpoint",
    happens="the save fails with a reason; the checkpoints before it stay sound",
)
def test_a_write_the_kernel_refuses(tmp_path: Path) -> None:
    processes = fork_server()  # torch is loaded once, for all lives
    here, there = processes.Pipe(duplex=False)
    process = processes.Process(target=fill, args=(tmp_path, there))
    process.start()
    there.close()
    assert here.poll(60)
    saved, failed, saved_again = here.recv()
    process.join(30)
    assert isinstance(saved, CheckpointSaved)
    assert isinstance(failed, CheckpointFailed)
    assert "File too large" in failed.error
    assert isinstance(saved_again, CheckpointSaved)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [saved.checkpoint, saved_again.checkpoint]
    )
    assert load(tmp_path / saved_again.checkpoint).manifest.step == 3
