"""Pairs a CPU second: remember a row of 256 bytes, then draw a batch of 32, from 100,000 kept.

Ours in memory is `RowReplay`; beside it the daemon's own memory, which keeps millions of rows on disk. Peers
keep rows in memory: numpy by hand, and cpprb and torchrl in the environment of
`benchmarks.peers.environment`, left out where missing. Prioritised pairs also renew every drawn row's priority.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers.environment import HINT, PYTHON
from benchmarks.result import Result, judged
from brain.memory.config import ReplayConfig
from brain.memory.replay import ReplayMemory
from brain.models.classifier.row_replay import RowReplay

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CAPACITY, ROW_BYTES, BATCH_SIZE = 100_000, 256, 32
PAIRS_MIN, PRIORITISED_PAIRS_MIN = 150_000.0, 40_000.0
REPEATS = 5

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "benchmarks" / "peers" / "replay_pairs.py"


def run(*, long: bool) -> list[Result]:
    """The median of five."""
    pairs = 1_000_000 if long else 200_000
    results = []
    for name, at_least in (("uniform", PAIRS_MIN), ("prioritised", PRIORITISED_PAIRS_MIN)):
        prioritised = name == "prioritised"
        paces = [_pace(_ours(prioritised=prioritised), pairs) for _ in range(REPEATS)]
        found, skipped = _peers(name, pairs // 20)
        if not prioritised:
            found["numpy by hand"] = statistics.median(_pace(_by_hand(), pairs // 10) for _ in range(REPEATS))
        details = {"all": paces, "kept": CAPACITY, "skipped": skipped}
        if not prioritised:
            details |= {"the daemon's memory, on disk": _on_disk(pairs // 20)}
        results.append(
            judged(
                f"replay_throughput.{name}",
                measures=f"add one of {ROW_BYTES} B, draw {BATCH_SIZE}, {name}; pairs a CPU second",
                ours=statistics.median(paces),
                unit="pairs/s",
                at_least=at_least,
                peers=found,
                long=long,
                details=details,
            )
        )
    return results


def _rows() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (1000, ROW_BYTES), dtype=np.uint8)


def _pace(pair: Callable[[NDArray[np.uint8]], None], pairs: int) -> float:
    rows = list(_rows())
    for row in rows[:200]:
        pair(row)
    began = time.process_time()
    for _ in range(pairs // len(rows)):
        for row in rows:
            pair(row)
    return pairs // len(rows) * len(rows) / (time.process_time() - began)


def _ours(*, prioritised: bool) -> Callable[[NDArray[np.uint8]], None]:
    replay = RowReplay(capacity=CAPACITY, row_bytes=ROW_BYTES, batch_size=BATCH_SIZE, prioritised=prioritised)
    for row in np.resize(_rows(), (CAPACITY, ROW_BYTES)):
        replay.add(row)
    losses = np.random.default_rng(1).random(BATCH_SIZE, dtype=np.float32) * 5.0

    def pair(row: NDArray[np.uint8]) -> None:
        replay.add(row)
        replay.sample()

    def prioritised_pair(row: NDArray[np.uint8]) -> None:
        replay.add(row)
        _, slots = replay.sample()
        replay.update(slots, losses)

    return prioritised_pair if prioritised else pair


def _by_hand() -> Callable[[NDArray[np.uint8]], None]:
    """What one writes without a library: a ring and `integers`."""
    store, draw, at = np.resize(_rows(), (CAPACITY, ROW_BYTES)), np.random.default_rng(0), 0

    def pair(row: NDArray[np.uint8]) -> None:
        nonlocal at
        store[at] = row
        at = (at + 1) % CAPACITY
        store[draw.integers(CAPACITY, size=BATCH_SIZE)]  # the batch, gathered and dropped

    return pair


def _on_disk(pairs: int) -> float:
    with tempfile.TemporaryDirectory(prefix="synapsed-replay-") as folder:
        config = ReplayConfig(capacity=CAPACITY)
        memory = ReplayMemory.create(Path(folder), config, item_bytes=ROW_BYTES, seed=0)
        one = np.zeros(1, np.int64)

        def pair(row: NDArray[np.uint8]) -> None:
            memory.add(row[None], one + ROW_BYTES, one, one, one, 0)
            memory.sample(BATCH_SIZE)

        return _pace(pair, pairs)


def _peers(kind: str, pairs: int) -> tuple[dict[str, float], dict[str, str]]:
    found, skipped = {}, {}
    for peer in ("cpprb", "torchrl"):
        command = [PYTHON, str(PROGRAM), peer, str(pairs), kind]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            error = (done.stderr.strip().splitlines() or ["no word"])[-1]
            skipped[peer] = f"{error}; {HINT}"
        else:
            found[peer] = json.loads(done.stdout.strip().splitlines()[-1])["pairs_per_cpu_second"]
    return found, skipped
