"""Rows forgotten on purpose are drawn no more, stand nowhere on disk, and hurt nobody who refers to the rest."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from brain.errors import MemoryDamagedError
from brain.memory import erasing
from brain.memory.config import ReplayConfig
from brain.memory.erasing import ErasedRows
from brain.memory.replay import ReplayMemory
from brain.memory.replay_commit import ReplayCommit, list_of
from brain.memory.selection import Selection, SourceSpan

if TYPE_CHECKING:
    from pathlib import Path

T = 64
SECRET = b"Jolanda answers the bakery's telephone at 0341 480 2291 before noon, on weekdays only."


def config(policy: str = "tiers", capacity: int = 400) -> ReplayConfig:
    return ReplayConfig(policy=policy, capacity=capacity, segment_mib=1)  # type: ignore[arg-type]


def add(memory: ReplayMemory, *rows: bytes, source: int = 0, offset: int = 0, step: int = 0) -> None:
    padded = np.zeros((len(rows), T), np.uint8)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = np.frombuffer(row, np.uint8)
    length = [len(row) for row in rows]
    offsets = offset + np.cumsum([0, *length[:-1]])
    memory.add(padded, length, np.full(len(rows), source), offsets, np.ones(len(rows)), step)


def filler(memory: ReplayMemory, count: int, *, first: int = 0, source: int = 0) -> None:
    for number in range(first, first + count):
        add(
            memory,
            f"line {number:06d} of a long report".encode(),
            source=source,
            offset=64 * number,
            step=number,
        )


def texts(memory: ReplayMemory) -> list[bytes]:
    return [
        rows.bytes[row, : rows.length[row]].tobytes()
        for rows in memory.items(1000)
        for row in range(len(rows.length))
    ]


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("seg-*.bin")))


def stored(memory: ReplayMemory) -> tuple[ReplayCommit, dict[str, Any]]:
    commit = ReplayCommit.from_json(json.loads(json.dumps(memory.commit().to_json())))
    return commit, memory.slots()


def forget(
    memory: ReplayMemory, selection: Selection, *own: ReplayCommit, others: tuple[ReplayCommit, ...] = ()
) -> int:
    memory.forget(selection)
    recorded = memory.recorded(selection, own)
    memory.erase(recorded, [*own, *others])
    return recorded.num_rows


def test_a_text_across_rows_is_drawn_no_more_and_stands_nowhere_on_disk(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 50)
    add(memory, b"x" * 61 + SECRET[:3], SECRET[3:67], SECRET[67:] + b" And so on.", offset=9_000, step=50)
    filler(memory, 50, first=51)
    selection = Selection(text=SECRET)
    chosen = memory.chosen(selection)
    assert (len(chosen.slots), chosen.first_step) == (3, 50)
    assert len(memory) == 103
    assert forget(memory, selection) == 3
    assert len(memory) == 100
    assert not [text for text in texts(memory) if b"0341" in text or b"weekdays" in text]
    assert b"0341 480" not in on_disk(tmp_path / "run")
    assert b"xJol" not in on_disk(tmp_path / "run")
    assert b"line 000099" in on_disk(tmp_path / "run")
    assert memory.sample(500).length.min() > 0
    assert memory.recorded(selection, ()).num_rows == 0


def test_rows_that_are_drawn_no_more_are_erased_as_well(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(capacity=30), item_bytes=T, seed=1)
    add(memory, SECRET[:64])
    filler(memory, 500, first=1)
    memory.forget(Selection(sources=(SourceSpan(index=0, before_step=1),)))
    memory.commit()
    assert SECRET[:64] not in texts(memory)
    assert SECRET[:64] in on_disk(tmp_path / "run")
    forget(memory, Selection(text=SECRET))
    assert SECRET[:20] not in on_disk(tmp_path / "run")


@pytest.mark.parametrize("policy", ["tiers", "reservoir"])
def test_sources_and_times_go_and_what_is_left_is_drawn_the_same_after_a_restart(
    tmp_path: Path, policy: str
) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(policy, 200), item_bytes=T, seed=1)
    for round_ in range(30):
        for source in range(3):
            filler(memory, 5, first=1000 * source + 5 * round_, source=source)
    assert len(memory) == 200
    memory.forget(Selection(sources=(SourceSpan(index=1),)))
    assert 0 < len(memory) < 200
    assert {int(one) for rows in memory.items(99) for one in rows.source} == {0, 2}
    memory.forget(Selection(since=2100))
    assert max(int(one) for rows in memory.items(99) for one in rows.step) < 2100
    commit, slots = stored(memory)
    again = ReplayMemory.restore(tmp_path / "run", config(policy, 200), commit, slots)
    for kept in (memory, again):
        filler(kept, 300, first=5000, source=4)
    for _ in range(20):
        for name in ("bytes", "index", "step"):
            one, other = memory.sample(7), again.sample(7)
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            break
    assert texts(memory) == texts(again)
    assert len(memory) == 200


def test_all_may_go(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 20)
    assert forget(memory, Selection(since=0)) == 20
    assert len(memory) == 0
    assert len(memory.sample(3).length) == 0
    filler(memory, 5)
    assert len(memory) == 5
    assert not on_disk(tmp_path / "run").strip(b"\0")


def test_older_checkpoints_and_forks_load_without_the_rows(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 40)
    add(memory, SECRET[:64], offset=10, step=40)
    old, old_slots = stored(memory)
    filler(memory, 40, first=41)
    fork = ReplayMemory.restore(tmp_path / "fork", config(), old, old_slots)
    filler(fork, 5, first=900)
    of_fork, fork_slots = stored(fork)
    forget(memory, Selection(text=SECRET), old, others=(of_fork,))
    filler(memory, 10, first=81)
    new, new_slots = stored(memory)
    for folder, commit, slots, count in (
        ("run", old, old_slots, 40),
        ("fork", of_fork, fork_slots, 45),
        ("run", new, new_slots, 90),
    ):
        restored = ReplayMemory.restore(tmp_path / folder, config(), commit, slots)
        assert len(restored) == count
        assert SECRET[:64] not in texts(restored)
    # Once more: heads from before the first time are known by both.
    forget(memory, Selection(since=85), old, new, others=(of_fork,))
    assert len(ReplayMemory.restore(tmp_path / "run", config(), old, old_slots)) == 40
    assert len(ReplayMemory.restore(tmp_path / "fork", config(), of_fork, fork_slots)) == 45
    assert len(ReplayMemory.restore(tmp_path / "run", config(), new, new_slots)) == 84


def test_a_fork_erases_in_its_parents_files_what_it_refers_to(tmp_path: Path) -> None:
    parent = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    add(parent, SECRET[:64], step=7)
    filler(parent, 9, first=8)
    old, old_slots = stored(parent)
    filler(parent, 9, first=40)
    parent_commit, parent_slots = stored(parent)
    fork = ReplayMemory.restore(tmp_path / "fork", config(), old, old_slots)
    filler(fork, 3, first=17)
    # By step the parent's own rows behind the fork are none of its business.
    forget(fork, Selection(since=16), old, others=(parent_commit,))
    assert len(ReplayMemory.restore(tmp_path / "run", config(), parent_commit, parent_slots)) == 18
    forget(fork, Selection(text=SECRET), old, others=(parent_commit,))
    assert SECRET[:20] not in on_disk(tmp_path / "run")
    assert b"line 000040" in on_disk(tmp_path / "run")


def test_what_is_damaged_beside_erased_rows_is_still_found(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 30)
    add(memory, SECRET[:64], step=30)
    commit, slots = stored(memory)
    forget(memory, Selection(text=SECRET), commit)
    path = next((tmp_path / "run").glob("seg-*.bin"))
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(MemoryDamagedError, match="checksum"):
        ReplayMemory.restore(tmp_path / "run", config(), commit, slots)


def test_damage_of_before_is_not_made_good_by_erasing(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 30)
    add(memory, SECRET[:64], step=30)
    commit, slots = stored(memory)
    path = next((tmp_path / "run").glob("seg-*.bin"))
    with path.open("r+b") as file:
        file.seek(60)
        file.write(b"?")
    forget(memory, Selection(text=SECRET), commit)
    with pytest.raises(MemoryDamagedError, match="checksum"):
        ReplayMemory.restore(tmp_path / "run", config(), commit, slots)


@pytest.mark.parametrize("half", ["none", "some"])
def test_a_kill_in_the_middle_is_finished_when_the_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 30)
    add(memory, SECRET[:64], SECRET[64:], step=30)
    commit, slots = stored(memory)

    def dies(segment: Path, gone: Any, record_bytes: int) -> None:
        if half == "some":
            gone = gone.copy()
            gone[np.flatnonzero(gone)[-1]] = False
            real(segment, gone, record_bytes)
        raise KeyboardInterrupt

    real = erasing.overwrite
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "overwrite", dies)
        with pytest.raises(KeyboardInterrupt):
            forget(memory, Selection(text=SECRET), commit)
    assert b"2291" in on_disk(tmp_path / "run") or half == "some"
    again = ReplayMemory.restore(tmp_path / "run", config(), commit, slots)
    assert len(again) == 30
    assert b"weekdays" not in on_disk(tmp_path / "run")
    assert b"2291" not in on_disk(tmp_path / "run")


def test_a_full_disk_leaves_the_rows_to_be_erased_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 30)
    add(memory, SECRET[:64], step=30)
    commit, slots = stored(memory)
    selection = Selection(text=SECRET)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "_write_list", full)
        with pytest.raises(OSError, match="space"):
            forget(memory, selection, commit)
    path = next((tmp_path / "run").glob("seg-*.bin"))
    assert ErasedRows.beside(path) == ErasedRows()
    assert len(ReplayMemory.restore(tmp_path / "run", config(), commit, slots)) == 31
    memory.erase(memory.recorded(selection, ()), [commit])
    assert SECRET[:20] not in path.read_bytes()


def test_a_segment_goes_with_its_list(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(capacity=20), item_bytes=T, seed=1)
    add(memory, SECRET[:64])
    memory.commit()
    forget(memory, Selection(text=SECRET))
    filler(memory, 12_000)  # more than a segment of 1 MiB
    memory.forget(Selection(since=0))
    memory.commit()
    gone = memory.unreferenced(())
    assert {path.name for path in gone} == {"seg-000000.bin", "seg-000000.erased.json"}
    assert list_of(tmp_path / "run" / "seg-000000.bin") in gone


def test_a_list_that_cannot_be_read_makes_the_head_damaged_and_nothing_worse(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "run", config(), item_bytes=T, seed=1)
    filler(memory, 3)
    add(memory, SECRET[:64])
    commit, slots = stored(memory)
    forget(memory, Selection(text=SECRET), commit)
    list_of(next((tmp_path / "run").glob("seg-*.bin"))).write_text("{}")
    with pytest.raises(MemoryDamagedError, match="checksum"):
        ReplayMemory.restore(tmp_path / "run", config(), commit, slots)
