"""Log five metrics a step with a peer; print the CPU it took and the bytes it left as JSON.

Usage: python log_metrics.py tensorboard|trackio STEPS FOLDER [STEPS_A_SECOND]
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

METRICS = ("bpc", "replay_bpc", "grad_norm", "learning_rate", "step_seconds")
WARM_UP_STEPS = 10

Row = dict[str, float]
Opened = tuple[Callable[[Row, int], None], Callable[[], None]]
"""Log a step, and finish."""


def tensorboard(folder: Path, name: str) -> Opened:
    """What SummaryWriter.add_scalar does: one event a value."""
    from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-not-found]  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-not-found]  # noqa: PLC0415
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # type: ignore[import-not-found]  # noqa: PLC0415

    writer = EventFileWriter(str(folder / name))

    def log(row: Row, step: int) -> None:
        for metric, value in row.items():
            summary = Summary(value=[Summary.Value(tag=metric, simple_value=value)])
            writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def finish() -> None:
        writer.flush()
        writer.close()

    return log, finish


def trackio(folder: Path, name: str) -> Opened:
    """One `log` a step, as its documentation shows."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio  # type: ignore[import-not-found]  # noqa: PLC0415 - reads the folder when imported

    trackio.init(project=name, name="one")

    def log(row: Row, step: int) -> None:
        trackio.log(row, step=step)

    return log, trackio.finish


def cpu_seconds() -> float:
    """Of this process, its threads and the children it waited for."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def main() -> None:
    """Measure one peer; opening it and the first steps are not counted, finishing is."""
    peer, steps, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    pace = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    draw = random.Random(0)  # noqa: S311 - not for secrets
    rows = [{name: draw.random() for name in METRICS} for _ in range(WARM_UP_STEPS + steps)]
    log, finish = {"tensorboard": tensorboard, "trackio": trackio}[peer](folder, "measured")
    for step in range(WARM_UP_STEPS):
        log(rows[step], step)
    time.sleep(1.0)
    began, cpu_began = time.perf_counter(), cpu_seconds()
    for step in range(WARM_UP_STEPS, len(rows)):
        log(rows[step], step)
        if pace:
            time.sleep(max(0.0, began + (step + 1 - WARM_UP_STEPS) / pace - time.perf_counter()))
    finish()
    spent = cpu_seconds() - cpu_began
    files = [
        path for path in folder.rglob("*") if path.is_file() and "measured" in str(path.relative_to(folder))
    ]
    num_bytes = sum(path.stat().st_size for path in files)
    print(json.dumps({"cpu_seconds": spent, "num_bytes": num_bytes, "version": metadata.version(peer)}))


if __name__ == "__main__":
    main()
