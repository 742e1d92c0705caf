"""How long learning stands still for a checkpoint of 600 MB, beside saving it synchronously."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from benchmarks.result import Result, judged
from daemon.checkpoint.checkpoint_reader import load
from daemon.checkpoint.checkpoint_writer import CheckpointWriter
from daemon.checkpoint.snapshot import Snapshot
from daemon.config.tree import CheckpointConfig
from daemon.events import CheckpointSaved, Event
from daemon.system.durable import sync_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

TOTAL_BYTES = 600_000_000
NUM_PARAMETERS = 50
STALL_SECONDS_MAX = 0.15


def run(*, long: bool) -> list[Result]:
    """Median stall of a save that begins between two steps; the first, which makes the buffers, is apart."""
    repeats = 15 if long else 5
    model, learning = _state()
    with tempfile.TemporaryDirectory(prefix="synapsed-stall-") as folder:
        first, stalls, seconds = _ours(Path(folder) / "checkpoints", model, learning, repeats)
        peers = {
            "torch.save": _median(
                repeats, lambda: _torch_save(Path(folder) / "peer.pt", model, learning, sync=False)
            ),
            "torch.save + fsync": _median(
                repeats, lambda: _torch_save(Path(folder) / "peer.pt", model, learning, sync=True)
            ),
            "safetensors": _median(
                repeats, lambda: save_file({**model, **learning}, Path(folder) / "peer.safetensors")
            ),
        }
    stall = judged(
        "checkpoint_stall",
        measures="time learning stands still for a 600 MB checkpoint",
        ours=statistics.median(stalls),
        unit="s",
        at_most=STALL_SECONDS_MAX,
        peers=peers,
        long=long,
        details={
            "first": first,
            "all": stalls,
            "worst": max(stalls),
            "until_committed": statistics.median(seconds),
            "num_bytes": TOTAL_BYTES,
            "num_tensors": 3 * NUM_PARAMETERS,
            "threads": torch.get_num_threads(),
        },
    )
    return [stall]


def _state() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and two moments each, as an optimizer holds them."""
    torch.manual_seed(0)
    width = TOTAL_BYTES // (4 * 3 * NUM_PARAMETERS)
    model = {f"layer{number}.weight": torch.randn(width) for number in range(NUM_PARAMETERS)}
    learning = {
        f"{name}|{moment}": torch.randn(width) for name in model for moment in ("exp_avg", "exp_avg_sq")
    }
    return model, learning


def _ours(
    folder: Path, model: dict[str, Tensor], learning: dict[str, Tensor], repeats: int
) -> tuple[float, list[float], list[float]]:
    """Stall of the first save, of the others, and seconds until each of those was committed."""
    saved: list[CheckpointSaved] = []

    def emit(event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            saved.append(event)

    policy = CheckpointConfig(keep_latest=1, keep_hourly=0, keep_daily=0)
    writer = CheckpointWriter(folder, run_id="benchmark", session=1, retention=policy, emit=emit)
    for step in range(repeats + 1):
        for tensor in model.values():  # learning touches its memory between saves
            tensor.add_(1e-3)
        writer.begin(Snapshot(step=step, samples=step, reason="auto", model=model, learning=learning))
        writer.wait()
    writer.close()
    loaded = load(folder / saved[-1].checkpoint)
    if len(saved) != repeats + 1 or not all(torch.equal(loaded.model[name], model[name]) for name in model):
        raise RuntimeError("a checkpoint of the benchmark was not committed, or is not what was saved")
    stalls = [event.stall_seconds for event in saved]
    return stalls[0], stalls[1:], [event.seconds for event in saved[1:]]


def _torch_save(path: Path, model: dict[str, Tensor], learning: dict[str, Tensor], *, sync: bool) -> None:
    with path.open("wb") as file:
        torch.save({"model": model, "optimizer": learning}, file)
        if sync:
            file.flush()
            sync_file(file.fileno())


def _median(repeats: int, act: Callable[[], None]) -> float:
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)
