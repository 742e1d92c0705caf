"""How long learning stands still for a checkpoint of 600 MB, beside saving it synchronously.

The same of the default preset's brain once its exact memory has read a text, and what room that takes on disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from benchmarks.result import Result, judged
from benchmarks.texts import take
from daemon.checkpoint.checkpoint_reader import load
from daemon.checkpoint.checkpoint_writer import CheckpointWriter
from daemon.checkpoint.manifest import TABLES
from daemon.checkpoint.snapshot import Snapshot
from daemon.config.tree import CheckpointConfig
from daemon.events import CheckpointSaved, Event
from daemon.system.durable import sync_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from brain.online.online_brain import OnlineBrain

TOTAL_BYTES = 600_000_000
NUM_PARAMETERS = 50
STALL_SECONDS_MAX = 0.15
TABLES_SHARE_MAX = 0.5  # of what they take in memory
PIECE_BYTES = 65_536


def run(*, long: bool) -> list[Result]:
    """Median stall of a save that begins between two steps; the first, which makes the buffers, is apart."""
    repeats = 15 if long else 5
    return [_of_600_mb(repeats, long=long), *_with_memory(repeats, long=long)]


def _of_600_mb(repeats: int, *, long: bool) -> Result:
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
    return judged(
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


def _with_memory(repeats: int, *, long: bool) -> list[Result]:
    """Stall and room of the default brain, whose exact memory reads on between two saves."""
    brain = _default_brain()
    text = memoryview(take("python", 2_000_000 if long else 1_000_000).data)
    saved: list[CheckpointSaved] = []
    cpu_seconds = []
    last = len(text) - repeats * PIECE_BYTES
    _read(brain, text[:last])
    with tempfile.TemporaryDirectory(prefix="synapsed-stall-") as name:
        folder = Path(name)
        writer = _writer(folder, saved)
        for step in range(repeats + 1):
            if step:
                _read(brain, text[last + (step - 1) * PIECE_BYTES : last + step * PIECE_BYTES])
            state, begun = brain.state(), time.process_time()
            writer.begin(
                Snapshot(
                    step=step,
                    samples=step,
                    reason="auto",
                    model=state.model,
                    learning=state.learning,
                    tables=state.tables,
                )
            )
            writer.wait()
            cpu_seconds.append(time.process_time() - begun)
        peers = {
            name: _median(
                repeats, partial(_torch_save, folder / "peer.pt", state.model, state.learning, sync=sync)
            )
            for name, sync in {"torch.save": False, "torch.save + fsync": True}.items()
        }
        writer.close()
        newest = folder / saved[-1].checkpoint
        stored = (newest / TABLES).stat().st_size
        begun = time.perf_counter()
        loaded = load(newest)
        load_seconds = time.perf_counter() - begun
    state = brain.state()
    if not all(torch.equal(loaded.learning[name], state.learning[name]) for name in state.tables):
        raise RuntimeError("a checkpoint of the benchmark is not what was saved")
    whole = sum(state.learning[name].nbytes for name in state.tables)
    details = {
        "bytes_read": len(text),
        "tables_bytes": whole,
        "tables_stored_bytes": stored,
        "checkpoint_bytes": saved[-1].size_bytes,
        "all": [event.stall_seconds for event in saved[1:]],
        "first": saved[0].stall_seconds,
        "until_committed": statistics.median(event.seconds for event in saved[1:]),
        "cpu_seconds": statistics.median(cpu_seconds[1:]),
        "load_seconds": load_seconds,
    }
    return [
        judged(
            "checkpoint_stall.default_brain",
            measures="time learning stands still for a checkpoint of the default brain and its exact memory",
            ours=statistics.median(event.stall_seconds for event in saved[1:]),
            unit="s",
            at_most=STALL_SECONDS_MAX,
            peers=peers,
            long=long,
            details=details,
        ),
        judged(
            "checkpoint_stall.tables",
            measures=f"room that the exact memory takes in a checkpoint after {len(text) / 1e6:.3g} MB of text",
            ours=stored / 2**20,
            unit="MiB",
            at_most=TABLES_SHARE_MAX,
            of="ratio",
            peers={"uncompressed": whole / 2**20},
            long=long,
            details=details,
        ),
    ]


def _default_brain() -> OnlineBrain[Any]:
    from brain.build import fresh_brain  # noqa: PLC0415 - loaded in the benchmark's own process
    from daemon.config.loading import resolve_config  # noqa: PLC0415

    config = resolve_config(preset="default", environ={})
    brain: OnlineBrain[Any] = fresh_brain(  # type: ignore[assignment]
        config.brain, optimizer=config.optimizer, lanes=1, device=torch.device("cpu"), seed=0
    )
    return brain


def _read(brain: OnlineBrain[Any], text: memoryview) -> None:
    """Let the exact memory of a brain read on in its lane, beside a network that knows nothing."""
    memory = brain.learner.hippocampus
    assert memory is not None
    zero = torch.zeros(1, dtype=torch.int64)
    for begin in range(0, len(text), PIECE_BYTES):
        row = torch.frombuffer(bytearray(text[begin : begin + PIECE_BYTES]), dtype=torch.uint8).unsqueeze(0)
        knows_nothing = torch.full((*row.shape, 8), 0.5)
        memory.read(row, torch.ones_like(row, dtype=torch.bool), zero, zero.bool(), knows_nothing, learn=True)


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
    writer = _writer(folder, saved)
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


def _writer(folder: Path, saved: list[CheckpointSaved]) -> CheckpointWriter:
    """One that keeps a single checkpoint, and notes in `saved` what it committed."""

    def emit(event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            saved.append(event)

    policy = CheckpointConfig(keep_latest=1, keep_hourly=0, keep_daily=0)
    return CheckpointWriter(folder, run_id="benchmark", session=1, retention=policy, emit=emit)


def _torch_save(
    path: Path, model: Mapping[str, Tensor], learning: Mapping[str, Tensor], *, sync: bool
) -> None:
    with path.open("wb") as file:
        torch.save({"model": dict(model), "optimizer": dict(learning)}, file)
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
