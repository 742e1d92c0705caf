"""Weights that never change are stored once, whatever refers to them; without them nothing is set aside."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.ports import Base
from brain.tensors import sha256_of
from daemon.checkpoint.base_weights import GRACE_SECONDS, Bases
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.checkpoint.portable import export_pt, load_pt
from daemon.errors import CheckpointError
from daemon.system.durable import Disk
from tests.unit.daemon.checkpoint.samples import flip_bit, new_writer, tiny

if TYPE_CHECKING:
    from pathlib import Path

TENSORS = {"embedding": torch.arange(6.0).view(2, 3), "scale": torch.ones((), dtype=torch.bfloat16)}
BASE = Base(id="maker/model", revision="r1", sha256=sha256_of(TENSORS), tensors=TENSORS)


def saved(folder: Path, step: int, *, session: int = 1) -> Path:
    writer = new_writer(folder, session=session)
    writer.save_now(replace(tiny(step), base=BASE))
    writer.close()
    return Catalogue(folder).list()[0].path


def base_file(folder: Path) -> Path:
    [path] = (folder / "bases").iterdir()
    return path


def test_it_is_stored_once_and_comes_back(tmp_path: Path) -> None:
    first = saved(tmp_path, 1)
    written = base_file(tmp_path).stat()
    second = saved(tmp_path, 2, session=2)
    assert base_file(tmp_path).stat().st_mtime_ns == written.st_mtime_ns
    for path in (first, second):
        assert not [name for name in load(path).model if name in TENSORS]
        base = load(path).base
        assert base is not None
        assert (base.id, base.revision, base.sha256) == (BASE.id, BASE.revision, sha256_of(base.tensors))


def test_without_it_a_checkpoint_is_refused_but_not_set_aside(tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    flip_bit(base_file(tmp_path), 900)
    for lost in (False, True):
        if lost:
            base_file(tmp_path).unlink()
        with pytest.raises(CheckpointError, match="stands on maker/model r1"):
            load_newest(Catalogue(tmp_path), emit=lambda event: pytest.fail(str(event)))
    assert path.is_dir()
    saved(tmp_path, 2, session=2)  # the brain still has it
    assert load(path).base is not None


def test_one_that_must_not_be_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, 1)
    base, opened = base_file(tmp_path), type(path).open

    def deny(file: Path, *arguments: Any, **more: Any) -> Any:
        if file == base:
            raise PermissionError(13, "Permission denied")
        return opened(file, *arguments, **more)

    monkeypatch.setattr(type(path), "open", deny)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(caught.value) == (
        f"Checkpoint {path.name} stands on maker/model r1, whose weights cannot be read: {base} (Permission denied). "
        f"Make that file readable, then: synapsed resume {path.name}"
    )
    with pytest.raises(PermissionError):
        Bases(tmp_path, Disk()).keep(BASE)
    assert base.is_file(), "it is whole, and was removed as damaged"


def test_a_damaged_one_is_stored_again_by_a_brain_that_has_it(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    flip_bit(base_file(tmp_path), 900)
    assert load(saved(tmp_path, 2, session=2)).base is not None


def test_a_single_file_carries_it_along(tmp_path: Path) -> None:
    loaded = load(saved(tmp_path, 1))
    alone = load_pt(export_pt(loaded, tmp_path / "alone.pt"))
    assert alone.base is not None
    assert sha256_of(alone.base.tensors) == BASE.sha256


def test_one_that_no_checkpoint_names_goes_after_a_day(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    disk, manifests = Disk(), [info.manifest for info in Catalogue(tmp_path).list()]
    written = base_file(tmp_path).stat().st_mtime
    late = written + 2 * GRACE_SECONDS
    Bases(tmp_path, disk).drop_unneeded(manifests, late)
    Bases(tmp_path, disk).drop_unneeded([], written + 60.0)
    assert base_file(tmp_path).is_file()
    Bases(tmp_path, disk).drop_unneeded([], late)
    assert not list((tmp_path / "bases").iterdir())
