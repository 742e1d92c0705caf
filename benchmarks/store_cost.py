"""What keeping every step costs: CPU a step and bytes a value, beside trackio and TensorBoard.

The peers live in an environment of their own, so that they cannot change what the project is measured with:
`python -m venv build/peers && build/peers/bin/pip install trackio tensorboard`. A peer that is not there is
left out, with the reason in the details.
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

from benchmarks.result import Result, judged
from daemon.protocol import HOT_METRICS
from daemon.store import Store

CPU_MICROSECONDS_MAX = 6.0
BYTES_MAX = 20.0
STEPS_A_COMMIT = 100
REPEATS = 3

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / "build" / "peers" / "bin" / "python"
PROGRAM = ROOT / "benchmarks" / "peers" / "log_metrics.py"

Columns = dict[str, list[float]]


def run(*, long: bool) -> list[Result]:
    """Five metrics a step, rollups included, everything on disk at the end."""
    steps = 200_000 if long else 50_000
    costs, sizes = zip(*(_ours(steps, STEPS_A_COMMIT) for _ in range(REPEATS)), strict=True)
    paces = {f"{rows} steps a commit": _ours(steps // 5, rows)[0] for rows in (2, 25, 1000)}
    found, skipped = _peers(20_000 if long else 5_000)
    details = {
        "steps": steps,
        "steps a commit": STEPS_A_COMMIT,
        "metrics a step": len(HOT_METRICS),
        "skipped": skipped,
    }
    versions = {name: peer["version"] for name, peer in found.items()}
    return [
        judged(
            "store_cost.cpu",
            measures="CPU to keep one step of five metrics, all threads, rollups included",
            ours=statistics.median(costs),
            unit="µs/step",
            at_most=CPU_MICROSECONDS_MAX,
            peers={name: peer["cpu_seconds"] / peer["steps"] * 1e6 for name, peer in found.items()},
            long=long,
            details={**details, **paces, "all": costs, "versions": versions},
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
            details={**details, "versions": versions},
        ),
    ]


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


def _peers(steps: int) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What each peer took, and why one is missing."""
    found: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for peer in ("trackio", "tensorboard"):
        python = PEERS_PYTHON if PEERS_PYTHON.exists() else Path(sys.executable)
        with tempfile.TemporaryDirectory(prefix="synapsed-peer-") as folder:
            command = [str(python), str(PROGRAM), peer, str(steps), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            error = (done.stderr.strip().splitlines() or ["no word"])[-1]
            skipped[peer] = f"{error}; install it: python -m venv build/peers, then pip install {peer} there"
        else:
            found[peer] = {**json.loads(done.stdout.strip().splitlines()[-1]), "steps": steps}
    return found, skipped
