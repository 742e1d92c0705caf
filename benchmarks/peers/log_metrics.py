"""Log five metrics a step with a peer; print the CPU it took and the bytes it left as JSON.

Usage: python log_metrics.py tensorboard|trackio STEPS FOLDER
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from importlib import metadata
from pathlib import Path

METRICS = ("bpc", "replay_bpc", "grad_norm", "learning_rate", "step_seconds")


def tensorboard(rows: list[dict[str, float]], folder: Path, name: str) -> None:
    """What SummaryWriter.add_scalar does: one event a value."""
    from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-not-found]  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-not-found]  # noqa: PLC0415
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # type: ignore[import-not-found]  # noqa: PLC0415

    writer = EventFileWriter(str(folder / name))
    for step, row in enumerate(rows):
        for metric, value in row.items():
            summary = Summary(value=[Summary.Value(tag=metric, simple_value=value)])
            writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.flush()
    writer.close()


def trackio(rows: list[dict[str, float]], folder: Path, name: str) -> None:
    """One `log` a step, as its documentation shows."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio  # type: ignore[import-not-found]  # noqa: PLC0415 - reads the folder when imported

    trackio.init(project=name, name="one")
    for step, row in enumerate(rows):
        trackio.log(row, step=step)
    trackio.finish()


def cpu_seconds() -> float:
    """Of this process, its threads and the children it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main() -> None:
    """Measure one peer; importing it is not counted."""
    peer, steps, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    draw = random.Random(0)  # noqa: S311 - not for secrets
    rows = [{name: draw.random() for name in METRICS} for _ in range(steps)]
    log = {"tensorboard": tensorboard, "trackio": trackio}[peer]
    log(rows[:2], folder, "warm-up")
    began = cpu_seconds()
    log(rows, folder, "measured")
    spent = cpu_seconds() - began
    files = [
        path for path in folder.rglob("*") if path.is_file() and "measured" in str(path.relative_to(folder))
    ]
    num_bytes = sum(path.stat().st_size for path in files)
    print(json.dumps({"cpu_seconds": spent, "num_bytes": num_bytes, "version": metadata.version(peer)}))


if __name__ == "__main__":
    main()
