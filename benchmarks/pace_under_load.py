"""Pace beside a program that keeps every core busy, in that of the same run while nothing else runs.

The default preset learns by the trainer's own loop, in a process as polite as a trainer's, with the threads of the
preset or those it takes by itself. It has the machine to itself for a while, then shares it with one endless loop a
core, of another session and of ordinary priority, as a program started from another terminal is; then again. The
figure is the median of the paired ratios. Beside it a plain PyTorch loop over the same architecture, whose number of
threads is fixed.

What else the machine does meanwhile falls on both halves of a pair, but a quiet half must be quiet: the load before the
first is kept among the details.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.daemon_overhead import plain_loop
from benchmarks.result import Result, judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

AT_LEAST = 0.45
ROUNDS, ROUNDS_LONG = 2, 5
SETTLE_SECONDS = 5.0  # in which whatever follows the load may follow
QUIET_SECONDS, BUSY_SECONDS = 6.0, 12.0
QUIET_STEPS, BUSY_STEPS = 10, 4  # of the plain loop
WARM_UP_STEPS = 3
START_SECONDS = 600.0
SPIN = "while True: pass"


class Pair(NamedTuple):
    """Seconds a step, alone and beside the busy program."""

    quiet: float
    busy: float

    @property
    def ratio(self) -> float:
        """Pace that is left."""
        return self.quiet / self.busy


def run(*, long: bool) -> list[Result]:
    """Some pairs of ours, then as many of the plain loop."""
    rounds = ROUNDS_LONG if long else ROUNDS
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    ours, threads = pairs_of_ours(rounds)
    return judge(ours, pairs_of_plain_loop(rounds), threads=threads, load=load, long=long)


def judge(
    ours: Sequence[Pair], plain: Sequence[Pair], *, threads: int, load: float | None, long: bool
) -> list[Result]:
    """What is left of the pace."""
    quiet, busy = (statistics.median(getattr(pair, which) for pair in ours) for which in Pair._fields)
    return [
        judged(
            "pace_under_load",
            measures="pace of the default preset beside a program that keeps every core busy, of its pace alone",
            ours=statistics.median(pair.ratio for pair in ours),
            peers={"plain PyTorch loop": statistics.median(pair.ratio for pair in plain)},
            unit="× quiet pace",
            at_least=AT_LEAST,
            long=long,
            details={
                "ours": [pair._asdict() for pair in ours],
                "plain PyTorch loop": [pair._asdict() for pair in plain],
                "threads": threads,
                "load_before": load,
                "note": f"Seconds a step, median: {quiet:.3g} alone, {busy:.3g} beside the busy program; "
                f"threads at its end: {threads}."
                + ("" if load is None else f" Load of the machine before: {load:.1f}."),
            },
        )
    ]


def pairs_of_ours(rounds: int) -> tuple[list[Pair], int]:
    """The loop keeps learning while the busy program comes and goes, and times its own steps. And its last threads."""
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=learn_on, args=(theirs, "default", {}), daemon=True)
    process.start()
    theirs.close()
    if not pipe.poll(START_SECONDS):
        raise TimeoutError(f"the loop did not take its first {WARM_UP_STEPS} steps in {START_SECONDS:g} s")
    pipe.recv()
    windows = []
    for _ in range(rounds):
        quiet = window(QUIET_SECONDS)
        with busy_program():
            time.sleep(SETTLE_SECONDS)
            busy = window(BUSY_SECONDS)
        windows.append((quiet, busy))
        time.sleep(SETTLE_SECONDS)
    pipe.send("end")
    ends, threads = pipe.recv()
    process.join()
    return [Pair(*(seconds_a_step(ends, *of) for of in pair)) for pair in windows], threads


def learn_on(pipe: Connection, preset: str, overrides: dict[str, Any]) -> None:
    """Learn until told to end; sends a word when it is warm, then when each step ended and torch's threads now."""
    from daemon.trainer.process import settle_process  # noqa: PLC0415 - torch reads what it sets

    settle_process()

    import torch  # noqa: PLC0415

    from benchmarks.lone_loop import lone_loop  # noqa: PLC0415
    from benchmarks.reading import compile_memory  # noqa: PLC0415
    from daemon.config.loading import resolve_config  # noqa: PLC0415
    from daemon.trainer.life.ending import Ending  # noqa: PLC0415
    from daemon.trainer_protocol import RunState  # noqa: PLC0415

    settings = {**overrides, "checkpoint.every_seconds": 1e6, "sample.max_bytes": 0}
    ends: list[float] = []

    def look() -> Ending | None:
        ends.append(time.monotonic())
        if len(ends) == WARM_UP_STEPS:
            pipe.send("warm")
        return Ending(state=RunState.FINISHED, reason="measured") if pipe.poll() else None

    with tempfile.TemporaryDirectory(prefix="synapsed-load-") as folder:
        config = resolve_config(preset=preset, overrides=settings, environ={})
        with lone_loop(Path(folder), config) as (parts, _):
            compile_memory(parts.brain)
            parts.loop.run(look)
            pipe.send((ends, torch.get_num_threads()))


def pairs_of_plain_loop(rounds: int) -> list[Pair]:
    """The same of the loop that imports nothing of the project; it learns a number of steps at a time."""
    pairs = []
    with plain_loop() as turn:
        turn(WARM_UP_STEPS)
        for _ in range(rounds):
            quiet = 1 / turn(QUIET_STEPS)
            with busy_program():
                time.sleep(SETTLE_SECONDS)
                busy = 1 / turn(BUSY_STEPS)
            pairs.append(Pair(quiet, busy))
    return pairs


@contextmanager
def busy_program() -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """One endless loop a core, each in a session of its own."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    command = [sys.executable, "-c", SPIN]
    loops = [subprocess.Popen(command, start_new_session=True) for _ in range(cores)]
    try:
        yield loops
    finally:
        for each in loops:
            each.kill()
            each.wait()


def window(seconds: float) -> tuple[float, float]:
    """From now on for so long; waits until it is over."""
    begin = time.monotonic()
    time.sleep(seconds)
    return begin, time.monotonic()


def seconds_a_step(ends: Sequence[float], begin: float, end: float) -> float:
    """Mean of the steps that ended within a window; of the one that spans it where none began and ended there.

    >>> seconds_a_step([0.0, 1.0, 2.0, 3.0, 9.0], 0.5, 3.5), seconds_a_step([0.0, 9.0], 2.0, 4.0)
    (1.0, 9.0)
    """
    within = [time for time in ends if begin <= time <= end]
    if len(within) < 2:
        return next(after - before for before, after in pairwise(ends) if after > begin)
    return (within[-1] - within[0]) / (len(within) - 1)
