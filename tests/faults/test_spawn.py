"""A system that refuses the trainer's process: a death like any other, never a run that stays `starting`."""

from __future__ import annotations

import asyncio
import errno
import gc
import multiprocessing.connection
import multiprocessing.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.supervisor.children import child_process
from daemon.supervisor.children.restart import RestartPolicy
from daemon.trainer_protocol import RunState
from tests.unit.daemon.supervisor.stage import quick_life, staged, start_request

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.anyio]

Break = Callable[[pytest.MonkeyPatch, Callable[[], bool]], None]


def refusing(error: Exception, module: Any, name: str) -> Break:
    """A function that fails as long as it is asked to."""

    def install(patch: pytest.MonkeyPatch, broken: Callable[[], bool]) -> None:
        working = getattr(module, name)

        def fail(*args: Any, **more: Any) -> Any:
            if broken():
                raise error
            return working(*args, **more)

        patch.setattr(module, name, fail)

    return install


def no_thread(patch: pytest.MonkeyPatch, broken: Callable[[], bool]) -> None:
    working = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "trainer-reader" and broken():
            raise RuntimeError("can't start new thread")
        working(thread)

    patch.setattr(threading.Thread, "start", start)


REFUSALS: dict[str, tuple[Break, str]] = {
    "no-memory": (
        refusing(OSError(errno.ENOMEM, "Cannot allocate memory"), multiprocessing.util, "spawnv_passfds"),
        "Cannot allocate memory",
    ),
    "too-many-processes": (
        refusing(
            BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
            multiprocessing.util,
            "spawnv_passfds",
        ),
        "Resource temporarily unavailable",
    ),
    "too-many-files": (
        refusing(OSError(errno.EMFILE, "Too many open files"), multiprocessing.connection, "Pipe"),
        "Too many open files",
    ),
    "too-many-threads": (no_thread, "can't start new thread"),
    "broken-pipe": (
        refusing(BrokenPipeError(errno.EPIPE, "Broken pipe"), multiprocessing.util, "spawnv_passfds"),
        "Broken pipe",
    ),
    "log-not-rotated": (
        refusing(OSError(errno.EIO, "Input/output error", "trainer.log"), child_process, "rotate"),
        "Input/output error (trainer.log)",
    ),
}


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def serving_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("trainer-")]


@pytest.mark.fault(
    "A trainer that cannot be started",
    tried="no memory, files, processes, threads; a broken pipe; a log that cannot be rotated; twice, then no more",
    happens="each counts as a death, with its reason and a longer wait; then the run learns; nothing is left open",
)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_it_is_tried_again_and_then_learns(
    home: Home, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    install, words = REFUSALS[refusal]
    tries = iter([True, True])
    install(monkeypatch, lambda: next(tries, False))
    async with staged(home, spawning=True) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING and run.step > 3)
        lost = [event["data"] for event in news.events if event["kind"] == "trainer_lost"]
        assert [one["reason"] for one in lost] == [f"it could not be started: {words}"] * 2
        assert lost[0]["restart_seconds"] < lost[1]["restart_seconds"]
        assert run.session == 3
        pid = supervisor.runs.lives[run.id].pid
        assert pid is not None


@pytest.mark.fault(
    "A trainer that cannot be started",
    tried="the same, permanently",
    happens="six tries in ten minutes, then the run has crashed, with the reason; nothing is left open",
)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_in_the_end_the_run_has_crashed(
    home: Home, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    install, words = REFUSALS[refusal]
    install(monkeypatch, lambda: True)
    life = quick_life(restart=lambda: RestartPolicy(first_seconds=0.001, longest_seconds=0.001))
    async with staged(home, life=life, spawning=True) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        ended = await supervisor.ending.wait(run.id)
        assert ended.state is RunState.CRASHED
        assert ended.reason == f"trainer died too often; last: it could not be started: {words}"
        assert news.kinds().count("trainer_lost") == 6
        before = open_files()
        again = await supervisor.admission.start(start_request())  # there is room for another
        assert (await supervisor.ending.wait(again.id)).state is RunState.CRASHED
        assert news.kinds().count("trainer_lost") == 12
        for thread in serving_threads():
            await asyncio.to_thread(thread.join, 10)
        assert not serving_threads()
        assert open_files() == before


@pytest.mark.fault(
    "A trainer that cannot be started",
    tried="a log that the new process cannot open",
    happens="it counts as a death that names the log",
)
async def test_a_log_that_cannot_be_opened(home: Home) -> None:
    (home.logs / "trainer.log").mkdir(parents=True)
    async with staged(home, spawning=True) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: "trainer_lost" in news.kinds())
        reason = next(event for event in news.events if event["kind"] == "trainer_lost")["data"]["reason"]
        log = home.logs / "trainer.log"
        assert reason == f"its log cannot be written: Is a directory ({log})"
        Path(log).rmdir()
        await news.until(lambda: run.state is RunState.RUNNING)
