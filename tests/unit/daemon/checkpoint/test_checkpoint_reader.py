"""Loading falls back through a run, never into another, and never deletes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.checkpoint.manifest import MANIFEST, NewerFormatError, _sealed, read_manifest
from daemon.errors import CheckpointError, NoCheckpointError, TornCheckpointError
from daemon.events import CheckpointSetAside, Event
from tests.unit.daemon.checkpoint.samples import (
    NOON,
    Clock,
    assert_same,
    flip_bit,
    save_steps,
    tiny,
    truncate,
)


def test_the_newest_of_the_newest_run(tmp_path: Path) -> None:
    save_steps(tmp_path, [1, 2], run_id="a")
    save_steps(tmp_path, [5], run_id="b", clock=Clock(NOON + 9999))
    events: list[Event] = []
    assert_same(load_newest(Catalogue(tmp_path), emit=events.append), tiny(5))
    assert_same(load_newest(Catalogue(tmp_path), "a", emit=events.append), tiny(2))
    assert events == []


def test_damaged_ones_are_set_aside_one_by_one(tmp_path: Path) -> None:
    oldest, middle, newest = save_steps(tmp_path, [1, 2, 3])
    save_steps(tmp_path, [7], run_id="other", clock=Clock(NOON + 1))
    flip_bit(newest / "optimizer.safetensors", 4000)
    (middle / "state.json").unlink()
    events: list[Event] = []
    assert_same(load_newest(Catalogue(tmp_path), "r-1", emit=events.append), tiny(1))
    assert events == [
        CheckpointSetAside(
            checkpoint=path.name, moved_to=f"damaged-{path.name}", defect=defect
        )
        for path, defect in (
            (newest, "optimizer.safetensors: checksum differs"), (middle, "state.json is missing"),
        )
    ]  # fmt: skip
    assert (tmp_path / f"damaged-{newest.name}" / "model.safetensors").exists()
    assert oldest.exists()


def test_all_bad_is_an_error_and_nothing_is_gone(tmp_path: Path) -> None:
    paths = save_steps(tmp_path, [1, 2])
    save_steps(tmp_path, [7], run_id="other", clock=Clock(NOON - 5000))
    for path in paths:
        truncate(path / "model.safetensors", 100)
    with pytest.raises(
        NoCheckpointError, match=r"of run r-1 .* kept as damaged-continuous_\d+, damaged-"
    ) as caught:
        load_newest(Catalogue(tmp_path), "r-1", emit=lambda event: None)
    assert "synapsed start" in str(caught.value)
    assert len(list(tmp_path.glob("damaged-*/model.safetensors"))) == 2


def test_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(NoCheckpointError):
        load_newest(Catalogue(tmp_path), emit=lambda event: None)


def test_a_torn_manifest_is_set_aside_though_its_run_is_unknown(tmp_path: Path) -> None:
    _, newest = save_steps(tmp_path, [1, 2])
    truncate(newest / MANIFEST, 50)
    events: list[Event] = []
    assert_same(load_newest(Catalogue(tmp_path), "r-1", emit=events.append), tiny(1))
    assert [event.kind() for event in events] == ["checkpoint_set_aside"]


def test_from_a_chosen_one_only_to_older_ones(tmp_path: Path) -> None:
    _, middle, newest = save_steps(tmp_path, [1, 2, 3])
    catalogue = Catalogue(tmp_path)
    assert_same(load_newest(catalogue, start=middle, emit=lambda event: None), tiny(2))
    flip_bit(middle / "model.safetensors", 900)
    assert_same(load_newest(catalogue, start=middle, emit=lambda event: None), tiny(1))
    assert newest.exists()


def test_a_later_format_is_an_error_and_stays_where_it_is(tmp_path: Path) -> None:
    _, newest = save_steps(tmp_path, [1, 2])
    tree = read_manifest(newest).to_json()
    (newest / MANIFEST).write_bytes(_sealed({**tree, "format_version": 3}))
    with pytest.raises(NewerFormatError):
        load(newest)
    with pytest.raises(NewerFormatError):
        load_newest(Catalogue(tmp_path), "r-1", emit=lambda event: None)
    save_steps(tmp_path, [3], clock=Clock(NOON + 900))
    assert_same(load_newest(Catalogue(tmp_path), "r-1", emit=lambda event: None), tiny(3))
    assert newest.exists()


def test_the_error_names_the_one_before(tmp_path: Path) -> None:
    first, second = save_steps(tmp_path, [1, 2])
    truncate(second / "model.safetensors", 100)
    with pytest.raises(TornCheckpointError) as caught:
        load(second)
    assert str(caught.value).startswith(
        f"Checkpoint {second.name} in {tmp_path} is torn (model.safetensors has 100 bytes, not"
    )
    assert str(caught.value).endswith(f"Resume the one before it: synapsed resume {first.name}")
    (second / MANIFEST).unlink()
    with pytest.raises(TornCheckpointError, match=f"synapsed resume {first.name}"):
        load(second)
    shutil.rmtree(second)
    flip_bit(first / "model.safetensors", 900)
    with pytest.raises(TornCheckpointError, match="none before it"):
        load(first)


def test_a_file_that_may_not_be_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [path] = save_steps(tmp_path, [1])

    def denied(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(CheckpointError, match="Permission denied") as caught:
        load_newest(Catalogue(tmp_path), emit=lambda event: None)
    assert not isinstance(caught.value, TornCheckpointError)
    assert path.exists()
