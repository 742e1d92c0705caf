"""From what was typed to what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.damage import set_aside_newest_run
from daemon.checkpoint.resolve import resolve
from daemon.errors import NoCheckpointError, NotFoundError, UsageError
from tests.unit.daemon.checkpoint.samples import NOON, Clock, flip_bit, save_steps

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.events import Event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_steps(tmp_path / "checkpoints", [1, 2])
    return tmp_path / "checkpoints"


def test_every_way_to_write_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_what_was_set_aside_is_named_and_no_other_run_is_taken_for_it(folder: Path) -> None:
    save_steps(folder, [9], run_id="r-0", clock=Clock(NOON - 5000))  # an older run, and sound
    for path in folder.glob("continuous_1706123[47]*"):
        flip_bit(path / "model.safetensors", 800)
    events: list[Event] = []
    set_aside_newest_run(Catalogue(folder), events.append)
    assert [event.kind() for event in events] == ["checkpoint_set_aside"] * 2
    for _ in range(2):
        with pytest.raises(
            NoCheckpointError, match=r"newest run r-1 .* kept as damaged-\w+, damaged-\w+\. Choose"
        ):
            resolve(Catalogue(folder), "latest")
    with pytest.raises(NotFoundError, match="is damaged and kept as damaged-continuous_1706123456"):
        resolve(Catalogue(folder), "continuous_1706123456")
    save_steps(folder, [10], run_id="r-0", clock=Clock(NOON + 5000))  # a person continued with the other one
    assert resolve(Catalogue(folder), "latest").name == "continuous_1706128456"


def test_only_torn_manifests_are_damage_too(folder: Path) -> None:
    for path in folder.iterdir():
        (path / "MANIFEST.json").write_text("{}")
    with pytest.raises(NoCheckpointError):
        resolve(Catalogue(folder), "latest")
    set_aside_newest_run(Catalogue(folder), lambda _: None)
    with pytest.raises(NoCheckpointError, match=r"kept as damaged-\w+, damaged-\w+\. Start over"):
        resolve(Catalogue(folder), "latest")


def test_latest_without_any_and_with_only_bad_ones(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NoCheckpointError, match="Begin: synapsed start"):
        resolve(Catalogue(tmp_path / "none"), "latest")
    with pytest.raises(NotFoundError, match="none yet"):
        resolve(Catalogue(tmp_path / "none"), "continuous_1")
    for path in folder.iterdir():
        flip_bit(path / "model.safetensors", 800)
    with pytest.raises(NoCheckpointError, match="newest run r-1"):
        resolve(Catalogue(folder), "latest")
