"""What keeping every step costs: CPU a step and bytes a value, beside trackio and TensorBoard.

Measured twice: as fast as it goes, in commits of 100 steps, and at a pace of the default preset,
where the writer commits what gathered in a quarter of a second, a step or two. The second is what a run really pays.

The peers live in an environment of their own, so that they cannot change what the project is measured with:
`python -m venv build/peers && build/peers/bin/pip install trackio tensorboard`. A peer that is not there is
left out, with the reason on the page.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.result import Result, Spread, judged
from daemon.store import Store
from daemon.store.write_thread import BATCH_SECONDS
from daemon.trainer_protocol import HOT_METRICS

CPU_MICROSECONDS_MAX = 6.0
BYTES_MAX = 20.0
STEPS_A_COMMIT = 100
STEPS_A_SECOND = 5.2  # as vitals_overhead counted for the default preset, exact memory included
PACE_NOTE = (
    f"{STEPS_A_SECOND} steps a second is what vitals_overhead counted for the default preset, its exact memory "
    "included. A quiet machine makes more; beside other programs it makes fewer, then fewer steps share a commit and "
    "each costs more."
)
REPEATS = 3

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / "build" / "peers" / "bin" / "python"
PROGRAM = ROOT / "benchmarks" / "peers" / "log_metrics.py"

Columns = dict[str, list[float]]


def run(*, long: bool) -> list[Result]:
    """Five metrics a step, rollups included, everything on disk at the end."""
    return [*as_fast_as_it_goes(200_000 if long else 50_000, 20_000 if long else 5_000, long=long),
            at_pace(60.0 if long else 20.0, long=long)]  # fmt: skip


def as_fast_as_it_goes(steps: int, peer_steps: int, *, long: bool = False) -> list[Result]:
    """CPU and disk of many steps in large commits."""
    costs, sizes = zip(*(_ours(steps, STEPS_A_COMMIT) for _ in range(REPEATS)), strict=True)
    paces = {f"{rows} steps a commit": _ours(steps // 5, rows)[0] for rows in (2, 25, 1000)}
    found, skipped = _peers(peer_steps)
    details = {
        "steps": steps,
        "steps a commit": STEPS_A_COMMIT,
        "metrics a step": len(HOT_METRICS),
        "skipped": skipped,
        "versions": {name: peer["version"] for name, peer in found.items()},
    }
    return [
        judged(
            "store_cost.cpu",
            measures=f"CPU to keep one step of five metrics, {STEPS_A_COMMIT} steps a commit, all threads, rollups "
            "included",
            ours=statistics.median(costs),
            unit="µs/step",
            at_most=CPU_MICROSECONDS_MAX,
            peers={name: peer["cpu_seconds"] / peer["steps"] * 1e6 for name, peer in found.items()},
            long=long,
            details={**details, **paces, "all": costs},
            spread=Spread.over("runs", costs),
        ),
        judged(
            "store_cost.bytes",
            measures="disk a value, rollups included",
            ours=max(sizes),
            unit="B/point",
            at_most=BYTES_MAX,
            peers={
                name: peer["num_bytes"] / peer["steps"] / len(HOT_METRICS) for name, peer in found.items()
            },
            long=long,
            details={**details, "all": sizes},
            spread=Spread.over("runs", sizes),
        ),
    ]


def at_pace(seconds: float, *, pace: float = STEPS_A_SECOND, long: bool = False) -> Result:
    """CPU a step when steps come one by one and are committed within a quarter of a second."""
    steps = max(2, round(seconds * pace))
    costs = [_paced(steps, pace) for _ in range(REPEATS)]
    found, skipped = _peers(steps, pace)
    return judged(
        "store_cost.cpu_at_pace",
        measures=f"CPU to keep one step of five metrics at {pace:g} steps a second, commits at most "
        f"{BATCH_SECONDS * 1000:.0f} ms apart, all threads",
        ours=statistics.median(costs),
        unit="µs/step",
        at_most=CPU_MICROSECONDS_MAX,
        peers={name: peer["cpu_seconds"] / peer["steps"] * 1e6 for name, peer in found.items()},
        long=long,
        details={"steps": steps, "all": costs, "skipped": skipped, "note": PACE_NOTE},
        spread=Spread.over("runs", costs),
    )


def _paced(steps: int, pace: float) -> float:
    """CPU microseconds a step, each given to the store when it is due."""
    reports = [_report(step, 1) for step in range(1, steps + 2)]
    with tempfile.TemporaryDirectory(prefix="synapsed-store-") as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'synapsed.db'}")
        store.create_run("r-1")
        store.start_session("r-1", 1, first_step=1)
        store.add_columns("r-1", 1, reports[0])
        store.flush()
        began, cpu_began = time.perf_counter(), time.process_time()
        for number, report in enumerate(reports[1:], start=1):
            store.add_columns("r-1", 1, report)
            time.sleep(max(0.0, began + number / pace - time.perf_counter()))
        store.flush()
        spent = time.process_time() - cpu_began
        if store.dropped:
            raise RuntimeError(f"{store.dropped} rows were dropped; the figure would be too good")
        store.close()
    return spent / steps * 1e6


def _ours(steps: int, rows: int) -> tuple[float, float]:
    """CPU microseconds a step and bytes a value, committed every `rows` steps."""
    reports = [_report(start, rows) for start in range(1, steps + 1, rows)]
    with tempfile.TemporaryDirectory(prefix="synapsed-store-") as folder:
        file = Path(folder) / "synapsed.db"
        store = Store.open(f"sqlite:///{file}")
        store.create_run("r-1")
        store.start_session("r-1", 1, first_step=1)
        store.upkeep()
        empty = file.stat().st_size
        began = time.process_time()
        for report in reports:
            store.add_columns("r-1", 1, report)
            store.flush()
        spent = time.process_time() - began
        store.upkeep()
        if store.dropped:
            raise RuntimeError(f"{store.dropped} rows were dropped; the figure would be too good")
        store.close()
        num_bytes = file.stat().st_size - empty
    return spent / steps * 1e6, num_bytes / steps / len(HOT_METRICS)


def _report(start: int, rows: int) -> Columns:
    draw = random.Random(start)  # noqa: S311 - not for secrets
    steps: list[float] = list(range(start, start + rows))
    columns = {name: [draw.random() for _ in steps] for name in HOT_METRICS}
    return {"step": steps, "time": [1.7e9 + step / 6 for step in steps], **columns}


def _peers(steps: int, pace: float = 0.0) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What each peer took, as fast as it goes or at a pace, and why one is missing."""
    found: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for peer in ("trackio", "tensorboard"):
        python = PEERS_PYTHON if PEERS_PYTHON.exists() else Path(sys.executable)
        with tempfile.TemporaryDirectory(prefix="synapsed-peer-") as folder:
            command = [str(python), str(PROGRAM), peer, str(steps), folder, str(pace)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            error = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            skipped[peer] = f"{error}; install it: python -m venv build/peers, then pip install {peer} there"
        else:
            found[peer] = {**json.loads(done.stdout.strip().splitlines()[-1]), "steps": steps}
    return found, skipped
