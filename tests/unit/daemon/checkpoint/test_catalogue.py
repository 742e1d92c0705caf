"""The folder of checkpoints: list, verify, set aside, pin, delete, sweep; and none of it needs torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.manifest import MANIFEST, DefectError
from daemon.errors import ConflictError, NotFoundError
from daemon.system import durable
from daemon.system.durable import temporary_beside, trash_beside
from tests.unit.daemon.checkpoint.samples import NOON, Clock, flip_bit, save_steps, truncate

if TYPE_CHECKING:
    from pathlib import Path


def test_no_torch_is_imported() -> None:
    code = (
        "import sys, daemon.checkpoint.catalogue, daemon.checkpoint.resolve, daemon.checkpoint.run_lock, "
        "daemon.checkpoint.retention, daemon.journal; "
        "sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "none")
    assert catalogue.list() == []
    assert catalogue.torn() == []
    assert catalogue.runs() == []
    assert catalogue.latest() is None
    assert catalogue.sweep() == []


def test_list_is_newest_first_and_by_run(tmp_path: Path) -> None:
    save_steps(tmp_path, [1, 2], run_id="a")
    save_steps(tmp_path, [8, 9], run_id="b", clock=Clock(NOON + 400))
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    (tmp_path / "continuous_x").mkdir()
    catalogue = Catalogue(tmp_path)
    assert [(info.manifest.run_id, info.manifest.step) for info in catalogue.list()] == [
        ("b", 9), ("b", 8), ("a", 2), ("a", 1),
    ]  # fmt: skip
    assert [info.manifest.step for info in catalogue.list("a")] == [2, 1]
    assert catalogue.runs() == ["b", "a"]
    newest = catalogue.latest()
    assert newest is not None
    assert newest.manifest.step == 9
    of_a = catalogue.latest("a")
    assert of_a is not None
    assert of_a.manifest.step == 2


def test_a_clock_that_was_set_back_turns_no_run_round(tmp_path: Path) -> None:
    clock = Clock()
    save_steps(tmp_path, [1, 2], run_id="a", clock=clock)
    clock.now -= 7200
    save_steps(tmp_path, [3, 4], run_id="a", clock=clock)
    clock.now += 3600
    save_steps(tmp_path, [7, 8], run_id="b", clock=clock)
    catalogue = Catalogue(tmp_path)
    listed = catalogue.list()
    assert len(listed) == 6
    for run, steps in (("a", [4, 3, 2, 1]), ("b", [8, 7])):
        assert [info.manifest.step for info in listed if info.manifest.run_id == run] == steps
        assert [info.manifest.step for info in catalogue.list(run)] == steps
    assert catalogue.runs() == ["b", "a"]  # saved last, whatever the clock showed before


def test_latest_is_the_newest_that_verifies_of_the_newest_run(tmp_path: Path) -> None:
    save_steps(tmp_path, [1], run_id="a")
    older, newer = save_steps(tmp_path, [8, 9], run_id="b", clock=Clock(NOON + 400))
    catalogue = Catalogue(tmp_path)
    flip_bit(newer / "model.safetensors", 900)
    found = catalogue.latest()
    assert found is not None
    assert found.path == older
    flip_bit(older / "state.json", 9)
    assert catalogue.latest() is None  # never another run's in silence
    assert newer.exists()
    assert older.exists()


def test_verified_is_known_once_read_and_forgotten_once_changed(tmp_path: Path) -> None:
    [path] = save_steps(tmp_path, [1])
    catalogue = Catalogue(tmp_path)
    assert catalogue.info(path.name).verified is None
    assert catalogue.verify(path).verified is True
    assert catalogue.info(path.name).verified is True
    flip_bit(path / "slots.safetensors", 500)
    os.utime(path / "slots.safetensors", ns=(1, 1))  # even on a disk with coarse times
    assert catalogue.info(path.name).verified is None
    with pytest.raises(DefectError, match=r"slots\.safetensors: checksum differs"):
        catalogue.verify(path)
    assert catalogue.info(path.name).verified is False


def test_a_wrong_size_shows_without_reading(tmp_path: Path) -> None:
    [path] = save_steps(tmp_path, [1])
    truncate(path / "model.safetensors", 10)
    assert Catalogue(tmp_path).info(path.name).verified is False


def test_torn_manifests_are_distinguished(tmp_path: Path) -> None:
    first, second = save_steps(tmp_path, [1, 2])
    (first / MANIFEST).unlink()
    catalogue = Catalogue(tmp_path)
    assert [info.path for info in catalogue.list()] == [second]
    assert [(torn.path, torn.defect) for torn in catalogue.torn()] == [(first, "MANIFEST.json is missing")]


def test_set_aside_never_overwrites(tmp_path: Path) -> None:
    [path] = save_steps(tmp_path, [1])
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    catalogue = Catalogue(tmp_path)
    assert catalogue.set_aside(path).name == f"damaged-{path.name}"
    copy.rename(path)
    assert catalogue.set_aside(path).name == f"damaged-{path.name}-2"
    assert catalogue.list() == []
    assert len(list(tmp_path.iterdir())) == 2


def test_pin_stands_beside_the_manifest(tmp_path: Path) -> None:
    [path] = save_steps(tmp_path, [1])
    catalogue = Catalogue(tmp_path)
    catalogue.pin(path.name)
    assert catalogue.verify(path).pinned
    with pytest.raises(ConflictError, match="Unpin it first"):
        catalogue.delete(path.name)
    catalogue.unpin(path.name)
    assert not catalogue.info(path.name).pinned


def test_the_only_sound_one_is_not_deleted(tmp_path: Path) -> None:
    first, second, third = save_steps(tmp_path, [1, 2, 3])
    save_steps(tmp_path, [1], run_id="other")
    flip_bit(first / "model.safetensors", 700)
    catalogue = Catalogue(tmp_path)
    catalogue.delete(third.name)
    with pytest.raises(ConflictError, match="only sound one of run r-1"):
        catalogue.delete(second.name)
    catalogue.delete(first.name)
    assert [info.path for info in catalogue.list("r-1")] == [second]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc",
        "continuous_1/..",
        "continuous_",
        "continuous_1\n",
        "damaged-continuous_1",
    ],
)
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "damaged-continuous_1").mkdir()
    with pytest.raises(NotFoundError):
        Catalogue(tmp_path).path_of(name)


def test_sweep_takes_what_dead_writers_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = save_steps(tmp_path, [1])
    alive = temporary_beside(tmp_path / "continuous_2")
    alive.mkdir()
    monkeypatch.setattr(durable, "_writer_mark", lambda: f"{os.getpid()}_1")  # our number, an earlier life
    begun_anew = trash_beside(tmp_path / "continuous_3")
    monkeypatch.setattr(durable, "_writer_mark", lambda: "999999999_1")
    dead = temporary_beside(tmp_path / "continuous_4")
    for folder in (begun_anew, dead):
        shutil.copytree(path, folder)
    nameless = tmp_path / ".saving-x"
    nameless.write_text("")
    assert set(Catalogue(tmp_path).sweep()) == {begun_anew, dead, nameless}
    assert set(tmp_path.iterdir()) == {path, alive}


def test_record_is_the_api_form(tmp_path: Path) -> None:
    [path] = save_steps(tmp_path, [4])
    catalogue = Catalogue(tmp_path)
    record = catalogue.record(catalogue.verify(path), best=True)
    assert record == {
        "id": path.name, "name": path.name, "run": "r-1", "session": 1, "step": 4, "samples": 128,
        "created_at": "2024-01-24T19:10:56+00:00", "reason": "auto", "bpc": 2.5, "recent_bpc": None, "pinned": False,
        "verified": True, "best": True, "path": str(path),
        "size_bytes": sum(file.stat().st_size for file in path.iterdir()),
    }  # fmt: skip
