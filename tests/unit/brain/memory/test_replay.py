"""The replay memory: keeps, draws, survives."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from brain.errors import MemoryDamagedError
from brain.memory.config import ReplayConfig
from brain.memory.replay import ReplayMemory
from brain.memory.replay_commit import ReplayCommit
from brain.memory.segments import SegmentFile, unreferenced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from brain.memory.replay_records import ReplayRows

T = 64


def rows_numbered(first: int, n: int) -> NDArray[np.uint8]:
    """Rows that carry their own number in their first eight bytes."""
    rows = np.zeros((n, T), np.uint8)
    rows[:, :8] = np.arange(first, first + n, dtype="<i8")[:, None].view(np.uint8)
    return rows


def numbers_of(drawn: ReplayRows) -> NDArray[np.int64]:
    return np.ascontiguousarray(drawn.bytes[:, :8]).view("<i8")[:, 0]


def feed(memory: ReplayMemory, first: int, n: int, *, batch: int = 26) -> None:
    for start in range(first, first + n, batch):
        count = min(batch, first + n - start)
        numbers = np.arange(start, start + count)
        memory.add(
            rows_numbered(start, count), numbers % T + 1, numbers % 5, numbers * T, numbers / 10, start
        )


def small(**changes: object) -> ReplayConfig:
    return ReplayConfig(**{"policy": "reservoir", "capacity": 500, "segment_mib": 1, **changes})  # type: ignore[arg-type]


def assert_same_draws(one: ReplayMemory, other: ReplayMemory, *, times: int = 20) -> None:
    for _ in range(times):
        a, b = one.sample(6), other.sample(6)
        for name in ("bytes", "length", "source", "offset", "index", "loss", "step"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def through_json(commit: ReplayCommit) -> ReplayCommit:
    return ReplayCommit.from_json(json.loads(json.dumps(commit.to_json())))


def test_a_drawn_item_is_all_that_was_added(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=1)
    feed(memory, 0, 300)
    drawn = memory.sample(64)
    numbers = numbers_of(drawn)
    assert len(memory) == 300
    assert len(set(numbers.tolist())) > 40
    np.testing.assert_array_equal(drawn.bytes, np.concatenate([rows_numbered(int(n), 1) for n in numbers]))
    np.testing.assert_array_equal(drawn.length, numbers % T + 1)
    np.testing.assert_array_equal(drawn.source, numbers % 5)
    np.testing.assert_array_equal(drawn.offset, numbers * T)
    np.testing.assert_array_equal(drawn.step, numbers // 26 * 26)
    np.testing.assert_allclose(drawn.loss, numbers / 10, rtol=1e-6)


def test_an_empty_memory_gives_no_rows(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=1)
    assert memory.sample(6).bytes.shape == (0, T)
    assert memory.commit().segments == ()


def test_items_are_walked_in_the_order_of_their_slots(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=1)
    feed(memory, 0, 130)
    blocks = list(memory.items(50))
    assert [len(block.index) for block in blocks] == [50, 50, 30]
    assert np.concatenate([numbers_of(block) for block in blocks]).tolist() == list(range(130))


def test_a_new_loss_is_drawn_with_the_item(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(capacity=1), item_bytes=T, seed=1)
    feed(memory, 0, 1)
    memory.update(memory.sample(1).index, np.array([2.5]))
    assert memory.sample(1).loss.tolist() == [2.5]


def test_every_item_is_kept_with_the_same_chance(tmp_path: Path) -> None:
    """χ² over tenths of 3,000 items in a reservoir of 100, summed over 60 seeds."""
    counts = np.zeros(10)
    for seed in range(60):
        memory = ReplayMemory.create(tmp_path / str(seed), small(capacity=100), item_bytes=8, seed=seed)
        for start in range(0, 3000, 50):
            numbers = np.arange(start, start + 50, dtype="<i8")
            zeros = np.zeros(50)
            memory.add(numbers[:, None].view(np.uint8), zeros + 8, zeros, numbers, zeros, start)
        addresses = memory.slots()["row"].astype(np.int64)
        kept = memory._log.read(addresses).view(memory._record)[:, 0]["offset"]
        counts += np.bincount(kept // 300, minlength=10)
    expected = counts.sum() / 10
    assert counts.sum() == 6000
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # 0.999 quantile, 9 degrees of freedom


def test_slots_are_drawn_uniformly_while_the_memory_fills(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(capacity=40), item_bytes=T, seed=3)
    feed(memory, 0, 10)
    memory.sample(6)  # draws a block ahead for ten items
    feed(memory, 10, 30)
    counts = np.bincount(np.concatenate([memory.sample(50).index for _ in range(80)]), minlength=40)
    assert ((counts - 100) ** 2 / 100).sum() < 72.1  # 0.999 quantile, 39 degrees of freedom


def test_restore_goes_on_exactly(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=7)
    feed(memory, 0, 3000)
    memory.sample(5)
    commit, slots = through_json(memory.commit()), memory.slots()
    twin = ReplayMemory.restore(tmp_path / "r", small(), commit, slots)
    feed(memory, 3000, 700)
    # The twin's rows go to a segment of its own: what the lost session wrote stays untouched.
    feed(twin, 3000, 700)
    assert (len(twin), twin.num_seen) == (500, 3700)
    assert_same_draws(memory, twin)


def test_rows_behind_the_commit_stay_for_those_who_refer_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    memory = ReplayMemory.create(folder, small(), item_bytes=T, seed=7)
    feed(memory, 0, 200)
    early, early_slots = memory.commit(), memory.slots()
    feed(memory, 200, 200)
    late, late_slots = memory.commit(), memory.slots()
    fallen_back = ReplayMemory.restore(folder, small(), early, early_slots)
    feed(fallen_back, 1000, 300)
    fallen_back.commit()
    again = ReplayMemory.restore(folder, small(), late, late_slots)
    assert len(again) == 400
    assert set(numbers_of(again.sample(200)).tolist()) <= set(range(400))


def test_a_torn_write_at_the_end_does_no_harm(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=7)
    feed(memory, 0, 100)
    commit, slots = memory.commit(), memory.slots()
    with (tmp_path / "r" / "seg-000000.bin").open("ab") as file:
        file.write(b"torn")
    twin = ReplayMemory.restore(tmp_path / "r", small(), commit, slots)
    feed(twin, 100, 50)
    assert {segment.rows for segment in twin.commit().segments} == {100, 50}
    feed(memory, 100, 50)
    assert_same_draws(memory, twin)


def test_a_clean_restart_goes_on_in_the_same_segment(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=7)
    feed(memory, 0, 100)
    twin = ReplayMemory.restore(tmp_path / "r", small(), memory.commit(), memory.slots())
    feed(twin, 100, 50)
    (segment,) = twin.commit().segments
    assert segment.rows == 150
    ReplayMemory.restore(tmp_path / "r", small(), twin.commit(), twin.slots())


@pytest.mark.parametrize("defect", ["flip", "truncate", "remove"])
def test_a_damaged_segment_is_named(tmp_path: Path, defect: str) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=7)
    feed(memory, 0, 100)
    commit, slots = memory.commit(), memory.slots()
    path = tmp_path / "r" / "seg-000000.bin"
    data = bytearray(path.read_bytes())
    if defect == "flip":
        data[1234] ^= 1
        path.write_bytes(data)
    elif defect == "truncate":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    with pytest.raises(MemoryDamagedError, match=r"seg-000000\.bin is damaged"):
        ReplayMemory.restore(tmp_path / "r", small(), commit, slots)


def test_a_slot_table_of_another_commit_is_refused(tmp_path: Path) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=7)
    feed(memory, 0, 100)
    slots = memory.slots()
    feed(memory, 100, 1)
    with pytest.raises(MemoryDamagedError, match="101 items"):
        ReplayMemory.restore(tmp_path / "r", small(), memory.commit(), slots)


def test_a_fork_reads_its_parent_and_writes_at_home(tmp_path: Path) -> None:
    parent = ReplayMemory.create(tmp_path / "parent", small(), item_bytes=T, seed=7)
    feed(parent, 0, 400)
    commit, slots = parent.commit(), parent.slots()
    before = (tmp_path / "parent" / "seg-000000.bin").read_bytes()
    fork = ReplayMemory.restore(tmp_path / "fork", small(), commit, slots, parents=[tmp_path / "parent"])
    feed(fork, 400, 300)
    forked = fork.commit()
    assert {segment.folder for segment in forked.segments} == {"parent", "fork"}
    assert (tmp_path / "parent" / "seg-000000.bin").read_bytes() == before
    feed(parent, 400, 300)
    parent.commit()  # the parent lives on
    again = ReplayMemory.restore(
        tmp_path / "fork", small(), forked, fork.slots(), parents=[tmp_path / "parent"]
    )
    assert_same_draws(again, fork)


def test_segments_are_sealed_and_hashed_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(capacity=100_000), item_bytes=1000, seed=7)
    wide = np.zeros((50, 1000), np.uint8)
    for step in range(60):
        memory.add(wide, np.full(50, 1000), np.zeros(50), np.zeros(50), np.zeros(50), step)
    sizes = [path.stat().st_size for path in sorted((tmp_path / "r").iterdir())]
    assert max(sizes) <= 1 << 20
    memory.commit()
    monkeypatch.setattr("builtins.open", None)  # a second commit reads nothing
    monkeypatch.setattr(Path, "open", None)
    assert sum(segment.rows for segment in memory.commit().segments) == 3000


def test_only_sealed_segments_that_nobody_needs_are_unreferenced(tmp_path: Path) -> None:
    config = small(capacity=100)
    memory = ReplayMemory.create(tmp_path / "r", config, item_bytes=T, seed=7)
    memory._log.rows_per_segment = 50
    feed(memory, 0, 100)
    early, early_slots = memory.commit(), memory.slots()
    feed(memory, 100, 200_000, batch=1000)
    late = memory.commit()
    paths = memory.unreferenced([late])
    assert paths
    assert {path.name for path in paths}.isdisjoint(segment.file_name for segment in late.segments)
    assert set(memory.unreferenced([early, late])) < set(paths)
    assert unreferenced(tmp_path / "r", [late]) == paths
    for path in paths:
        path.unlink()
    ReplayMemory.restore(tmp_path / "r", config, late, memory.slots())
    with pytest.raises(MemoryDamagedError):
        ReplayMemory.restore(tmp_path / "r", config, early, early_slots)


def test_a_full_disk_is_outlived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(capacity=10**6), item_bytes=T, seed=7)
    feed(memory, 0, 100)
    monkeypatch.setattr("brain.memory.segments.SegmentFile.append", _disk_full)
    feed(memory, 100, 2000)
    assert "No space left" in (memory.degraded or "")
    assert set(numbers_of(memory.sample(2000)).tolist()) & set(range(1500, 2100))
    with pytest.raises(OSError, match="No space left"):
        memory.commit()
    room = memory._log.room
    feed(memory, 10_000, room + 5000, batch=500)
    assert memory._log.room < 500
    assert memory.num_seen < 2100 + room + 1  # what finds no room passes by
    held = len(memory)
    monkeypatch.undo()
    feed(memory, 500_000, 500, batch=500)
    assert memory.degraded is None
    assert len(memory) == held + 500
    ReplayMemory.restore(tmp_path / "r", small(capacity=10**6), memory.commit(), memory.slots())


def _disk_full(segment: SegmentFile, rows: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_cut_short_is_repeated_in_place(tmp_path: Path) -> None:
    segment = SegmentFile(tmp_path / "seg-000000.bin", 0, 4)
    segment.append(np.arange(8, dtype=np.uint8).reshape(2, 4))
    with segment.path.open("ab") as file:
        file.write(b"\xff\xff")  # half a record of a write that failed
    segment.append(np.arange(8, 16, dtype=np.uint8).reshape(2, 4))
    np.testing.assert_array_equal(segment.mapped.reshape(-1), np.arange(16))
    SegmentFile.verified(segment.path, segment.commit(), 4)


@pytest.mark.parametrize("capacity", [200, 900])
def test_another_capacity_takes_the_items_over(tmp_path: Path, capacity: int) -> None:
    memory = ReplayMemory.create(tmp_path / "r", small(), item_bytes=T, seed=7)
    feed(memory, 0, 600)
    commit, slots = memory.commit(), memory.slots()
    other = ReplayMemory.restore(tmp_path / "r", small(capacity=capacity), commit, slots)
    assert len(other) == min(500, capacity)
    feed(other, 600, 450)
    assert len(other) == capacity
    assert len(set(other.slots()["row"].tolist())) == capacity
