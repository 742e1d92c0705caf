"""What replay costs: the trainer's own memory, on disk, beside buffers that keep their rows in memory.

A round is what a step of the trainer asks for: draw rows, renew their priority by the loss they had, remember the rows
just read; of 100,000 kept. It is measured in the sizes of the default preset (8 rows read, 2 replayed) and, as
buffers are usually compared, with one row added and 32 drawn. Peers are given whole batches. cpprb's buffer has
priorities too; that of torchrl, whose priorities need an extension that is not built for our torch, and numpy by hand
draw uniformly and renew nothing, so they do less. cpprb and torchrl live in the environment of
`benchmarks.peers.environment` and are left out where missing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers.environment import HINT, PYTHON
from benchmarks.result import Result, judged
from brain.memory.config import ReplayConfig
from brain.memory.replay import ReplayMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

CAPACITY = 100_000
STEP_MICROSECONDS_MAX = 150.0  # a thousandth of a step of the default preset
PAIRS_MIN = 40_000.0
REPEATS = 5

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "benchmarks" / "peers" / "replay_rounds.py"


@dataclass(frozen=True, kw_only=True)
class Round:
    """Rows added and drawn at a time, and the bytes of each."""

    added: int
    drawn: int
    row_bytes: int


STEP = Round(added=8, drawn=2, row_bytes=128)
PAIR = Round(added=1, drawn=32, row_bytes=256)


def run(*, long: bool) -> list[Result]:
    """The median of five."""
    rounds = 100_000 if long else 20_000
    step, skipped, of_step = seconds_a_round(STEP, rounds)
    pair, _, of_pair = seconds_a_round(PAIR, rounds)
    return [
        judged(
            "replay_throughput.step",
            measures=f"CPU for the replay of a step: draw {STEP.drawn} rows of {STEP.row_bytes} B, renew their losses, "
            f"add {STEP.added}",
            ours=step.pop("ours") * 1e6,
            unit="µs/step",
            at_most=STEP_MICROSECONDS_MAX,
            peers={name: 1e6 * seconds for name, seconds in step.items()},
            long=long,
            details={"all": of_step, "kept": CAPACITY, "skipped": skipped},
        ),
        judged(
            "replay_throughput.pairs",
            measures=f"draw {PAIR.drawn} rows of {PAIR.row_bytes} B, renew their losses, add one; rounds a CPU second",
            ours=1.0 / pair.pop("ours"),
            unit="rounds/s",
            at_least=PAIRS_MIN,
            peers={name: 1.0 / seconds for name, seconds in pair.items()},
            long=long,
            details={"all": of_pair, "kept": CAPACITY},
        ),
    ]


def seconds_a_round(size: Round, rounds: int) -> tuple[dict[str, float], dict[str, str], list[float]]:
    """CPU seconds a round of ours and of each peer, why a peer is missing, and all of ours."""
    ours = []
    for _ in range(REPEATS):
        with memory_round(size) as one:
            ours.append(timed(one, size, rounds))
    by_hand = [timed(numpy_round(size), size, rounds) for _ in range(REPEATS)]
    found = {"ours": statistics.median(ours), "numpy by hand, uniform": statistics.median(by_hand)}
    others, skipped = peers(size, max(1, rounds // 10))
    return found | others, skipped, ours


@contextmanager
def memory_round(size: Round) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """The trainer's memory with its default policy, filled, and what a step does with it."""
    losses = np.random.default_rng(1).random(size.drawn, dtype=np.float32) * 5.0
    with tempfile.TemporaryDirectory(prefix="synapsed-replay-") as folder:
        memory = ReplayMemory.create(
            Path(folder), ReplayConfig(capacity=CAPACITY), item_bytes=size.row_bytes, seed=0
        )
        length = np.full(size.added, size.row_bytes)
        source, offset = np.zeros(size.added, np.int64), np.zeros(size.added, np.int64)
        loss = np.full(size.added, 2.0, np.float32)

        def one(rows: NDArray[np.uint8]) -> None:
            memory.update(memory.sample(size.drawn).index, losses)
            memory.add(rows, length, source, offset, loss, 0)

        memory.add(new_rows(size), length, source, offset, loss, 0)
        for _ in range(CAPACITY // size.added):
            memory.add(new_rows(size), length, source, offset, loss, 0)
        yield one


def numpy_round(size: Round) -> Callable[[NDArray[np.uint8]], None]:
    """What one writes without a library: a ring and `integers`."""
    store = np.zeros((CAPACITY, size.row_bytes), np.uint8)
    draw, at = np.random.default_rng(0), 0

    def one(rows: NDArray[np.uint8]) -> None:
        nonlocal at
        store[draw.integers(CAPACITY, size=size.drawn)]  # the batch, gathered and dropped
        store[np.arange(at, at + len(rows)) % CAPACITY] = rows
        at = (at + len(rows)) % CAPACITY

    return one


def new_rows(size: Round) -> NDArray[np.uint8]:
    """What a step has read."""
    return np.random.default_rng(0).integers(0, 256, (size.added, size.row_bytes), dtype=np.uint8)


def timed(one: Callable[[NDArray[np.uint8]], None], size: Round, rounds: int) -> float:
    """CPU seconds a round, after a short warm-up."""
    rows = new_rows(size)
    for _ in range(min(200, rounds)):
        one(rows)
    began = time.process_time()
    for _ in range(rounds):
        one(rows)
    return (time.process_time() - began) / rounds


def peers(size: Round, rounds: int) -> tuple[dict[str, float], dict[str, str]]:
    """CPU seconds a round of each library's buffer."""
    found, skipped = {}, {}
    for peer, name in (("cpprb", "cpprb"), ("torchrl", "torchrl, uniform")):
        numbers = map(str, (rounds, size.added, size.drawn, size.row_bytes))
        command = [PYTHON, str(PROGRAM), peer, *numbers]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            error = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            skipped[name] = f"{error}; {HINT}"
        else:
            found[name] = float(json.loads(done.stdout.strip().splitlines()[-1])["cpu_seconds_a_round"])
    return found, skipped
