"""Damage to any file of a checkpoint is found, set aside and stepped over; never in silence."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load, load_newest
from daemon.checkpoint.manifest import ALL_FILES, MANIFEST
from daemon.errors import NoCheckpointError, TornCheckpointError
from daemon.events import CheckpointSetAside, Event
from tests.unit.daemon.checkpoint.samples import assert_same, flip_bit, save_steps, tiny, truncate, zero_tail

pytestmark = pytest.mark.faults

Damage = Callable[[Path], None]
WITH_MANIFEST = (*ALL_FILES, MANIFEST)


def flip_first(path: Path) -> None:
    flip_bit(path, 0)


def flip_last(path: Path) -> None:
    flip_bit(path, path.stat().st_size * 8 - 1)


def halve(path: Path) -> None:
    truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    truncate(path, 0)


def lose_one_byte(path: Path) -> None:
    truncate(path, path.stat().st_size - 1)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def zero_the_tail(path: Path) -> None:
    zero_tail(path, min(64, path.stat().st_size))


def zero_all(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(3).randbytes(path.stat().st_size))


def vanish(path: Path) -> None:
    path.unlink()


def turn_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def turn_into_a_dead_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES: list[Damage] = [
    flip_first, flip_last, halve, empty, lose_one_byte, append, zero_the_tail, zero_all, garbage, vanish,
    turn_into_a_folder, turn_into_a_dead_link,
]  # fmt: skip


@pytest.mark.fault(
    "Damaged checkpoints",
    tried="twelve kinds of damage to each file: bits flipped, torn, emptied, overwritten, gone, replaced",
    happens="the damage is named, the checkpoint is set aside, never deleted, and the one before it is resumed",
)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", WITH_MANIFEST)
def test_found_set_aside_and_the_older_one_taken(tmp_path: Path, name: str, damage: Damage) -> None:
    _, newest = save_steps(tmp_path, [1, 2])
    damage(newest / name)
    with pytest.raises(TornCheckpointError) as caught:
        load(newest)
    assert name in str(caught.value)
    assert "synapsed resume" in str(caught.value)
    events: list[Event] = []
    assert_same(load_newest(Catalogue(tmp_path), "r-1", emit=events.append), tiny(1))
    [event] = events
    assert isinstance(event, CheckpointSetAside)
    assert event.checkpoint == newest.name
    assert (tmp_path / event.moved_to).is_dir()


@pytest.mark.fault(
    "Damaged checkpoints",
    tried="500 single flipped bits, anywhere",
    happens="500 are found",
)
def test_five_hundred_flipped_bits_are_five_hundred_found(tmp_path: Path) -> None:
    [path] = save_steps(tmp_path, [40])
    dice = random.Random(7)
    files = [path / name for name in WITH_MANIFEST]
    sizes = [file.stat().st_size for file in files]
    for _ in range(500):
        file = dice.choices(files, sizes)[0]
        bit = dice.randrange(file.stat().st_size * 8)
        flip_bit(file, bit)
        with pytest.raises(TornCheckpointError):
            load(path)
        flip_bit(file, bit)
    assert_same(load(path), tiny(40))


@pytest.mark.fault(
    "Damaged checkpoints",
    tried="a file of one checkpoint copied into another",
    happens="it is found",
)
def test_files_of_two_checkpoints_do_not_mix(tmp_path: Path) -> None:
    first, second = save_steps(tmp_path, [1, 2])
    for name in ALL_FILES:
        held = (second / name).read_bytes()
        shutil.copyfile(first / name, second / name)
        with pytest.raises(TornCheckpointError, match=name.replace(".", r"\.")):
            load(second)
        (second / name).write_bytes(held)
    assert_same(load(second), tiny(2))


@pytest.mark.fault(
    "Damaged checkpoints",
    tried="every checkpoint of a run is damaged",
    happens="one clear error; nothing is deleted, nothing silently starts over",
)
def test_damage_to_all_is_a_clear_error_and_deletes_nothing(tmp_path: Path) -> None:
    paths = save_steps(tmp_path, [1, 2, 3])
    for path, name in zip(paths, (MANIFEST, *ALL_FILES), strict=False):
        halve(path / name)
    events: list[Event] = []
    with pytest.raises(NoCheckpointError, match="No sound checkpoint of run r-1"):
        load_newest(Catalogue(tmp_path), "r-1", emit=events.append)
    assert len(events) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"damaged-{path.name}" for path in paths
    )
    assert len(list(tmp_path.glob("damaged-*/*"))) == 18
