"""Small checkpoints to save, a clock that stands still, and a disk that fails on request."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from daemon.checkpoint.checkpoint_writer import CheckpointWriter
from daemon.checkpoint.manifest import Environment
from daemon.checkpoint.snapshot import Snapshot
from daemon.config.tree import CheckpointConfig
from daemon.events import CheckpointSaved, Event
from daemon.system.durable import Disk, FileRecord

if TYPE_CHECKING:
    from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint

NOON = 1_706_123_456.25
KEEP_ALL = CheckpointConfig(keep_latest=1000)


class Clock:
    """Unix time and monotonic time that move only on request."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now
        self.running = 1000.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.running

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.running += seconds


class PowerCut(BaseException):
    """The machine is gone: nobody cleans up."""


class FaultyDisk(Disk):
    """Counts its calls, and fails at one of them: before doing it, or after doing half of a write."""

    def __init__(self, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.calls: list[tuple[str, str]] = []
        self.fail_at = fail_at
        self.error = error or OSError(errno.ENOSPC, "No space left on device")

    def _call(self, name: str, path: Path | str) -> None:
        self.calls.append((name, Path(path).name))
        if len(self.calls) - 1 == self.fail_at:
            raise self.error

    def make_directory(self, path: Path) -> None:
        self._call("make_directory", path)
        super().make_directory(path)

    def write(self, path: Path, chunks: Iterable[bytes | memoryview]) -> FileRecord:
        self._call("write", path)
        return super().write(path, chunks)

    def write_part(self, file: BinaryIO, part: memoryview) -> None:
        try:
            self._call("write_part", file.name)
        except BaseException:
            file.write(part[: len(part) // 2])
            raise
        super().write_part(file, part)

    def sync(self, file: BinaryIO) -> None:
        self._call("sync", file.name)

    def sync_directory(self, path: Path) -> None:
        self._call("sync_directory", path)

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename", source)
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._call("remove", path)
        super().remove(path)


class QuickDisk(Disk):
    """Does everything but wait for the medium."""

    def sync(self, file: BinaryIO) -> None:
        pass

    def sync_directory(self, path: Path) -> None:
        pass


def tiny(step: int = 7, **changes: Any) -> Snapshot:
    """A snapshot whose tensors all hold the step."""
    generator = torch.Generator().manual_seed(step)
    shared = torch.randn(3, 4, generator=generator)
    values: dict[str, Any] = {
        "step": step,
        "samples": 32 * step,
        "reason": "auto",
        "model": {"embed": shared, "head": shared, "bias": torch.full((5,), float(step))},
        "learning": {
            "embed|momentum": torch.randn(3, 4, generator=generator),
            "carried|h": torch.ones(2, 3),
            "counts|table": torch.eye(32, 16, dtype=torch.uint8) * step,
            "counts|rates": torch.full((4,), 1 / step, dtype=torch.float64),
        },
        "tables": frozenset({"counts|table", "counts|rates"}),
        "random": {"torch": generator.get_state()},
        "arrays": {"row": np.arange(step, dtype=np.int64), "loss": np.linspace(0, 1, step, dtype=np.float32)},
        "state": {"cursor": {"offset": step}, "growth_history": [], "window": [0.1, 1e-300, float("inf")]},
        "spec": {"kind": "synapse", "hidden_size": 4},
        "tied": (("embed", "head"),),
        "replay": {"rows": step, "segments": []},
        "journal": 3,
        "metrics": {"bpc": 2.5},
        "environment": Environment(torch="2", threads=1),
    }
    return Snapshot(**{**values, **changes})


def new_writer(folder: Path, events: list[Event] | None = None, **changes: Any) -> CheckpointWriter:
    """A writer that keeps everything and does not wait for the medium."""
    clock = changes.pop("clock", None) or Clock()
    values: dict[str, Any] = {
        "run_id": "r-1",
        "session": 1,
        "retention": KEEP_ALL,
        "emit": (events if events is not None else []).append,
        "clock": clock,
        "monotonic": clock.monotonic,
        "disk": QuickDisk(),
    }
    return CheckpointWriter(folder, **{**values, **changes})


def save_steps(folder: Path, steps: Iterable[int], **changes: Any) -> list[Path]:
    """Save one checkpoint a step, five minutes apart."""
    return save_all(folder, map(tiny, steps), **changes)


def save_all(folder: Path, snapshots: Iterable[Snapshot], **changes: Any) -> list[Path]:
    """Save these, five minutes apart."""
    clock = changes.pop("clock", None) or Clock()
    writer = new_writer(folder, clock=clock, **changes)
    paths = []
    for snapshot in snapshots:
        saved = writer.save_now(snapshot)
        assert isinstance(saved, CheckpointSaved)
        paths.append(folder / saved.checkpoint)
        clock.advance(300)
    writer.close()
    return paths


def assert_same(loaded: LoadedCheckpoint, saved: Snapshot) -> None:
    """Everything came back, to the bit."""
    for got, meant in (
        (loaded.model, saved.model),
        (loaded.learning, saved.learning),
        (loaded.random, saved.random),
    ):
        assert_tensors(got, meant)
    assert_tensors(
        {name: torch.from_numpy(array) for name, array in loaded.arrays.items()},
        {name: torch.from_numpy(array) for name, array in saved.arrays.items()},
    )
    assert {name: loaded.state[name] for name in saved.state} == dict(saved.state)
    assert loaded.manifest.step == saved.step
    assert loaded.manifest.samples == saved.samples
    assert loaded.manifest.spec == saved.spec
    assert loaded.manifest.replay == saved.replay
    assert loaded.manifest.journal == saved.journal
    assert loaded.manifest.environment == saved.environment


def assert_tensors(got: Mapping[str, Tensor], meant: Mapping[str, Tensor]) -> None:
    assert got.keys() == meant.keys()
    for name, tensor in meant.items():
        assert got[name].dtype == tensor.dtype, name
        assert got[name].shape == tensor.shape, name
        same = got[name].contiguous().reshape(-1).view(torch.uint8)
        assert torch.equal(same, tensor.contiguous().reshape(-1).view(torch.uint8)), name


def flip_bit(path: Path, bit: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(raw)


def truncate(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def zero_tail(path: Path, num_bytes: int) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:-num_bytes] + bytes(num_bytes))


Damage = Callable[[Path], None]
