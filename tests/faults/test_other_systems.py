"""What Windows and macOS refuse, injected: neither was there to run on."""

from __future__ import annotations

import errno
import os
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from brain.memory.segments import SegmentFile
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.events import CheckpointSaved
from daemon.journal import Journal
from daemon.system.durable import Disk
from tests.one_life import OneLife
from tests.trainer_process import tiny_order
from tests.unit.daemon.checkpoint.samples import assert_same, new_writer, save_steps, tiny, truncate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.home import Home

pytestmark = pytest.mark.faults


def refusing(number: int, real: Callable[..., Any], *, when: Callable[..., bool]) -> Callable[..., Any]:
    """A call that fails with this number for some arguments."""

    def call(*arguments: Any, **settings: Any) -> Any:
        if when(*arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **settings)

    return call


def opened_for_reading(descriptor: int) -> bool:
    import fcntl  # noqa: PLC0415 - not on Windows

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


@pytest.mark.fault(
    "Windows (its errors injected; not run there)",
    tried="fsync refuses a handle that is open for reading, and there is no fsync of folders",
    happens="a whole session learns, journals, remembers and saves",
)
def test_no_handle_that_is_open_for_reading_is_synced(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("what is read again and again\n" * 2000)
    monkeypatch.setattr("brain.disk_sync.sys", types.SimpleNamespace(platform="win32"))
    monkeypatch.setattr(os, "fsync", refusing(errno.EBADF, os.fsync, when=opened_for_reading))
    life = OneLife(
        tiny_order(home, stream__data=[str(tmp_path / "notes.txt")], limits__steps=3, vitals__enabled=False)
    )
    assert (life.goodbye.state, life.goodbye.error) == ("finished", None)
    Journal(tmp_path / "journal").append("feed", 1, {"text": "x"})


@pytest.mark.fault(
    "Windows (its errors injected; not run there)",
    tried="a checkpoint to prune or to set aside is open in another program",
    happens="it is left for later; saving and loading continue",
)
def test_a_checkpoint_that_is_open_elsewhere_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = save_steps(tmp_path, [1, 2])
    truncate(newer / "model.safetensors", 10)
    held = {older, newer}
    real = Disk.rename
    monkeypatch.setattr(
        Disk, "rename", refusing(errno.EACCES, real, when=lambda _disk, source, _target: source in held)
    )
    assert_same(load_newest(Catalogue(tmp_path), "r-1", emit=lambda _: None), tiny(1))
    writer = new_writer(tmp_path)
    saved = writer.save_now(tiny(3))
    writer.close()
    assert isinstance(saved, CheckpointSaved)
    assert load(tmp_path / saved.checkpoint).manifest.step == 3


@pytest.mark.fault(
    "Windows (its errors injected; not run there)",
    tried="a segment of the replay memory that nobody needs is still mapped",
    happens="it is left for the next pruning; what else can go, goes",
)
def test_a_mapped_segment_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from daemon.trainer.checkpoints import tidying  # noqa: PLC0415 - of the trainer's rooms

    mapped, free = tmp_path / "seg-000000.bin", tmp_path / "seg-000001.bin"
    for path in (mapped, free):
        path.write_bytes(b"rows")
    unlink = type(mapped).unlink
    monkeypatch.setattr(
        type(mapped), "unlink", refusing(errno.EACCES, unlink, when=lambda path: path == mapped)
    )
    for path in (mapped, free):
        tidying.delete(path)
    assert list(tmp_path.iterdir()) == [mapped]


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL])
@pytest.mark.fault(
    "macOS (its errors injected; not run there)",
    tried="F_FULLFSYNC on a file system that does not have it",
    happens="plain fsync takes its place, for checkpoints, journal and replay alike",
)
def test_a_file_system_without_a_full_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_descriptor: int, _command: int) -> int:
        raise OSError(number, os.strerror(number))

    fake = types.ModuleType("fcntl")
    fake.F_FULLFSYNC, fake.fcntl = 51, refuse  # type: ignore[attr-defined]
    monkeypatch.setattr("brain.disk_sync.sys", types.SimpleNamespace(platform="darwin"))
    monkeypatch.setitem(sys.modules, "fcntl", fake)
    plain: list[int] = []
    monkeypatch.setattr(os, "fsync", plain.append)
    Disk().write(tmp_path / "file", [b"bytes"])
    assert len(plain) == 1
    Journal(tmp_path / "journal").append("feed", 1, {"text": "x"})
    written = len(plain)
    segment = SegmentFile(tmp_path / "seg-000000.bin", 0, 4)
    (tmp_path / "seg-000000.bin").touch()
    segment.sync()
    assert len(plain) == written + 1
