"""What was read once is not read again while it looks the same; what changed is seen, and loading trusts nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from daemon.checkpoint import catalogue as catalogue_module
from daemon.checkpoint import checkpoint_reader as reader_module
from daemon.checkpoint import manifest as manifest_module
from daemon.checkpoint import manifest_cache
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load
from daemon.checkpoint.manifest import ALL_FILES, MANIFEST, DefectError
from daemon.trainer.offline.questions import open_checkpoint
from tests.unit.daemon.checkpoint.samples import flip_bit, save_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.home import Home


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files as they are read: a manifest, or any other in full."""
    names: list[str] = []

    def noting(function: Callable[..., Any], name: str = MANIFEST) -> Callable[..., Any]:
        def noted(path: Path, *arguments: Any) -> Any:
            names.append(str(arguments[0]) if arguments else name)
            return function(path, *arguments)

        return noted

    for module in (catalogue_module, manifest_cache, reader_module):
        monkeypatch.setattr(module, "read_manifest", noting(manifest_module.read_manifest))
    for module in (catalogue_module, reader_module):
        monkeypatch.setattr(module, "check_file", noting(manifest_module.check_file))
    return names


def test_a_list_reads_each_manifest_once(tmp_path: Path, read: list[str]) -> None:
    save_steps(tmp_path, [1, 2, 3])
    read.clear()
    catalogue = Catalogue(tmp_path)
    first = catalogue.list()
    assert read == [MANIFEST] * 3
    read.clear()
    assert catalogue.list() == first
    assert catalogue.list("r-1") == first
    assert (catalogue.torn(), catalogue.runs(), catalogue.best("r-1")) == ([], ["r-1"], first[0])
    assert catalogue.older(first[0]) == first[1:]
    assert read == []


def test_a_manifest_that_changed_is_read_again(tmp_path: Path, read: list[str]) -> None:
    first, second = save_steps(tmp_path, [1, 2])
    catalogue = Catalogue(tmp_path)
    catalogue.list()
    read.clear()
    flip_bit(first / MANIFEST, 300)
    os.utime(first / MANIFEST, ns=(1, 1))  # even on a disk with coarse times
    assert [info.path for info in catalogue.list()] == [second]
    assert read == [MANIFEST]
    assert [torn.path for torn in catalogue.torn()] == [first]


def test_another_checkpoint_of_the_same_name_is_another(tmp_path: Path, read: list[str]) -> None:
    [first] = save_steps(tmp_path / "here", [1])
    [other] = save_steps(tmp_path / "there", [5])
    catalogue = Catalogue(first.parent)
    assert [info.manifest.step for info in catalogue.list()] == [1]
    first.rename(tmp_path / "away")
    assert catalogue.list() == []
    other.rename(first)
    read.clear()
    assert [info.manifest.step for info in catalogue.list()] == [5]
    assert read == [MANIFEST]


def test_what_was_hashed_on_its_way_to_the_disk_is_not_hashed_again(tmp_path: Path, read: list[str]) -> None:
    [path] = save_steps(tmp_path, [1])
    catalogue = Catalogue(tmp_path)
    catalogue.trust(path)
    read.clear()
    assert catalogue.info(path.name).verified is True
    assert read == [MANIFEST]


@pytest.mark.parametrize("file", ALL_FILES)
def test_a_file_that_changed_is_not_known_any_more(tmp_path: Path, file: str) -> None:
    [path] = save_steps(tmp_path, [1])
    catalogue = Catalogue(tmp_path)
    catalogue.verify(path)
    flip_bit(path / file, 90)
    os.utime(path / file, ns=(1, 1))
    assert catalogue.info(path.name).verified is None
    (path / file).unlink()
    assert catalogue.info(path.name).verified is False


def test_damage_without_a_trace_is_found_before_a_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = save_steps(tmp_path, [1])
    catalogue = Catalogue(tmp_path)
    catalogue.verify(path)
    same = manifest_cache.look_at(path)
    flip_bit(path / "model.safetensors", 1000)
    monkeypatch.setattr(catalogue_module, "look_at", lambda _: same)  # as when the medium itself goes bad
    assert catalogue.info(path.name).verified is True
    with pytest.raises(DefectError, match=r"model\.safetensors: checksum differs"):
        load(path)
    with pytest.raises(DefectError):
        catalogue.verify(path)
    assert catalogue.latest() is None


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    paths = save_steps(tmp_path, [1, 2])
    catalogue = Catalogue(tmp_path)
    for path in paths:
        catalogue.verify(path)
    catalogue.remove(paths[0].name)
    catalogue.list()
    known = catalogue._known
    assert list(known._manifests) == list(known._verdicts) == [paths[1].name]


def test_latest_is_hashed_once_when_something_is_asked_of_it(home: Home, read: list[str]) -> None:
    older, newer = save_steps(home.checkpoints, [1, 2])
    read.clear()
    assert open_checkpoint(home, "latest").path == newer
    assert [name for name in read if name != MANIFEST] == [*ALL_FILES]
    flip_bit(newer / "model.safetensors", 1000)
    assert open_checkpoint(home, "latest").path == older
