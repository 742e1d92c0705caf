"""From what was typed to what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.resolve import resolve
from daemon.errors import NoCheckpointError, NotFoundError, UsageError
from tests.unit.daemon.checkpoint.samples import flip_bit, save_steps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_steps(tmp_path / "checkpoints", [1, 2])
    return tmp_path / "checkpoints"


def test_every_way_to_say_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue(folder)
    first, second = folder / "continuous_1706123456", folder / "continuous_1706123756"
    assert resolve(catalogue, "latest") == second
    for text in ("continuous_1706123456", "1706123456", "continuous_1706123456.pt", str(first)):
        assert resolve(catalogue, text) == first
    monkeypatch.chdir(tmp_path)
    assert resolve(catalogue, "checkpoints/continuous_1706123456/").resolve() == first
    file = folder / "continuous_9.pt"
    file.write_bytes(b"")
    assert resolve(catalogue, "continuous_9.pt") == file
    assert resolve(catalogue, str(file)) == file


def test_a_wrong_name_gets_the_nearest(folder: Path) -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean continuous_1706123756\?$"):
        resolve(Catalogue(folder), "continuous_170612375")
    with pytest.raises(NotFoundError, match="The newest is continuous_1706123756"):
        resolve(Catalogue(folder), "zzz")
    with pytest.raises(UsageError, match=r"nothing at /nowhere/at/all"):
        resolve(Catalogue(folder), "/nowhere/at/all")
    with pytest.raises(UsageError, match="is not a checkpoint"):
        resolve(Catalogue(folder), str(folder))


def test_latest_without_any_and_with_only_bad_ones(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoCheckpointError, match="Begin: synapsed start"):
        resolve(Catalogue(tmp_path / "none"), "latest")
    with pytest.raises(NotFoundError, match="none yet"):
        resolve(Catalogue(tmp_path / "none"), "continuous_1")
    for path in folder.iterdir():
        flip_bit(path / "model.safetensors", 800)
    with pytest.raises(NoCheckpointError, match="newest run r-1"):
        resolve(Catalogue(folder), "latest")
