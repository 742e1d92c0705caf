"""Saving: what is stored, when it counts, and what a failing disk does to it."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
import torch

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import load
from daemon.checkpoint.manifest import FILES, LEARNING, MANIFEST, TABLES
from daemon.config.tree import CheckpointConfig
from daemon.events import CheckpointFailed, CheckpointPruned, CheckpointSaved, Event
from daemon.system import durable
from daemon.system.retry import RETRY_SECONDS_MAX
from tests.unit.daemon.checkpoint.samples import (
    NOON,
    Clock,
    FaultyDisk,
    PowerCut,
    QuickDisk,
    assert_same,
    new_writer,
    save_all,
    save_steps,
    tiny,
)

if TYPE_CHECKING:
    from pathlib import Path

DEAD = "999999999_1"


class GatedDisk(QuickDisk):
    """Holds the writer's thread at its first file until released."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def write_part(self, file: BinaryIO, part: memoryview) -> None:
        self.reached.set()
        assert self.open.wait(10)
        super().write_part(file, part)


def test_everything_comes_back(tmp_path: Path) -> None:
    events: list[Event] = []
    writer = new_writer(tmp_path, events)
    saved = writer.save_now(tiny(7))
    writer.close()
    assert isinstance(saved, CheckpointSaved)
    assert events == [saved]
    assert (saved.checkpoint, saved.step, saved.reason) == (f"continuous_{int(NOON)}", 7, "auto")
    assert saved.timestamp == NOON
    loaded = load(tmp_path / saved.checkpoint)
    assert_same(loaded, tiny(7))
    assert loaded.model["embed"] is loaded.model["head"]
    assert loaded.state["timestamp"] == loaded.manifest.timestamp == "2024-01-24T19:10:56+00:00"
    assert saved.size_bytes == sum(
        path.stat().st_size
        for path in (tmp_path / saved.checkpoint).iterdir()
        if path.name != "MANIFEST.json"
    )


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.uint16, torch.uint32,
        torch.uint64, torch.bool, torch.float8_e4m3fn, torch.float8_e8m0fnu, torch.complex64,
        torch.complex128,
    ],
)  # fmt: skip
def test_every_dtype_and_shape_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    raw = torch.randint(0, 2, (3, 4, 16), dtype=torch.uint8).view(dtype)
    model = {
        "matrix": raw,
        "transposed": raw.transpose(0, 1),
        "scalar": raw.reshape(-1)[0],
        "empty": raw[:0],
        "name with | and ünïcode": raw[1],
    }
    snapshot = tiny(model=model, tied=())
    save = new_writer(tmp_path).save_now(snapshot)
    assert isinstance(save, CheckpointSaved)
    assert_same(load(tmp_path / save.checkpoint), snapshot)


def test_names_declared_tied_that_are_not_lose_nothing(tmp_path: Path) -> None:
    snapshot = tiny(
        model={"embed": torch.zeros(2), "head": torch.ones(2)}, tied=(("embed", "head"), ("embed", "x"))
    )
    [path] = [tmp_path / event.checkpoint for event in [new_writer(tmp_path).save_now(snapshot)]
              if isinstance(event, CheckpointSaved)]  # fmt: skip
    loaded = load(path)
    assert_same(loaded, snapshot)
    assert loaded.manifest.tied == ()


def test_two_in_one_second_get_numbers(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    names = [
        event.checkpoint
        for step in (1, 2, 3)
        if isinstance(event := writer.save_now(tiny(step)), CheckpointSaved)
    ]
    assert names == ["continuous_1706123456", "continuous_1706123456-2", "continuous_1706123456-3"]
    assert [info.name for info in Catalogue(tmp_path).list()] == names[::-1]


def test_begin_returns_while_the_disk_works_and_a_second_is_refused(tmp_path: Path) -> None:
    events: list[Event] = []
    disk = GatedDisk()
    writer = new_writer(tmp_path, events, disk=disk)
    live = tiny(3)
    stall = writer.begin(live)
    assert stall is not None
    assert stall >= 0
    assert disk.reached.wait(10)
    live.model["bias"].fill_(99)
    live.learning["carried|h"].fill_(99)
    assert writer.busy
    assert writer.begin(tiny(4)) is None
    assert not writer.due(0)
    assert not writer.wait(0)
    writer.poll()
    assert events == []
    disk.open.set()
    assert writer.begin(tiny(5), wait=True) is not None
    assert writer.wait(10)
    assert [event.step for event in events] == [3, 5]
    first, second = Catalogue(tmp_path).list("r-1")[::-1]
    assert_same(load(first.path), tiny(3))
    assert_same(load(second.path), tiny(5))


def test_events_come_on_the_callers_thread(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []
    writer = new_writer(tmp_path, emit=lambda event: threads.append(threading.current_thread()))
    writer.begin(tiny())
    assert writer.wait(10)
    assert threads == [threading.current_thread()]


def test_buffers_follow_growth(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    for width in (2, 5, 3):
        snapshot = tiny(width, model={"w": torch.randn(width, 2), f"only_{width}": torch.ones(1)}, tied=())
        saved = writer.save_now(snapshot)
        assert isinstance(saved, CheckpointSaved)
        assert_same(load(tmp_path / saved.checkpoint), snapshot)


def test_commit_order(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    save_steps(folder, [1])
    disk = FaultyDisk()
    writer = new_writer(folder, disk=disk, retention=CheckpointConfig(keep_latest=1), clock=Clock(NOON + 9e6))
    writer.save_now(
        tiny(2, metrics={"bpc": 1.0}), sync_replay=lambda: disk.calls.append(("replay", "synced"))
    )
    writer.close()
    reported = [
        f"{call} {name}".split(".saving-")[0].strip() for call, name in disk.calls if call != "write_part"
    ]
    assert reported == [
        "replay synced",
        "make_directory",
        "write model.safetensors", "sync model.safetensors",
        "write optimizer.safetensors", "sync optimizer.safetensors",
        "write slots.safetensors", "sync slots.safetensors",
        "write tables.safetensors.gz", "sync tables.safetensors.gz",
        "write state.json", "sync state.json",
        "write MANIFEST.json", "sync MANIFEST.json",
        "sync_directory",
        "rename",
        "sync_directory checkpoints",
        "rename continuous_1706123456",
        "sync_directory checkpoints",
        reported[-1],
    ]  # fmt: skip
    assert reported[-1].startswith("remove .trash-continuous_1706123456.")


def num_disk_calls(folder: Path) -> int:
    folder.mkdir()
    disk = FaultyDisk()
    writer = new_writer(folder, disk=disk)
    writer.save_now(tiny(1))
    writer.close()
    return len(disk.calls)


def test_an_error_at_any_disk_call_harms_nothing(tmp_path: Path) -> None:
    total = num_disk_calls(tmp_path / "probe")
    assert total > 20
    for fail_at in range(total):
        folder = tmp_path / str(fail_at)
        [first] = save_steps(folder, [1])
        events: list[Event] = []
        disk = FaultyDisk(fail_at)
        writer = new_writer(folder, events, disk=disk, clock=Clock(NOON + 300))
        failed = writer.save_now(tiny(2))
        assert isinstance(failed, CheckpointFailed)
        assert "No space left" in failed.error
        assert failed.retry_seconds == 5
        assert writer.num_failures == 1
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
        assert_same(load(first), tiny(1))
        disk.fail_at = None
        assert isinstance(writer.save_now(tiny(3)), CheckpointSaved)
        assert writer.num_failures == 0
        newest = Catalogue(folder).latest()
        assert newest is not None
        assert_same(load(newest.path), tiny(3))
        writer.close()


def test_a_power_cut_at_any_disk_call_leaves_the_older_or_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = num_disk_calls(tmp_path / "probe")
    monkeypatch.setattr(durable, "_writer_mark", lambda: DEAD)
    committed = 0
    for fail_at in range(total):
        folder = tmp_path / str(fail_at)
        save_steps(folder, [1])
        writer = new_writer(folder, disk=FaultyDisk(fail_at, PowerCut()), clock=Clock(NOON + 300))
        with pytest.raises(PowerCut):
            writer.save_now(tiny(2))
        catalogue = Catalogue(folder)
        catalogue.sweep()
        assert [path.name for path in folder.iterdir() if not path.name.startswith("continuous_")] == []
        newest = catalogue.latest()
        assert newest is not None
        assert_same(load(newest.path), tiny(newest.manifest.step))
        committed += newest.manifest.step == 2
    assert committed == 1  # only between the rename and the sync behind it


def test_back_off_doubles_and_due_keeps_to_it(tmp_path: Path) -> None:
    clock = Clock()
    disk = FaultyDisk(0)
    writer = new_writer(tmp_path, disk=disk, clock=clock)
    assert not writer.due(300)
    clock.advance(300)
    assert writer.due(300)
    waits = []
    for _ in range(9):
        disk.calls.clear()
        failed = writer.save_now(tiny())
        assert isinstance(failed, CheckpointFailed)
        waits.append(failed.retry_seconds)
        clock.advance(failed.retry_seconds - 1)
        assert not writer.due(300)
        clock.advance(1)
        assert writer.due(300)
    assert waits[:4] == [5, 10, 20, 40]
    assert max(waits) == RETRY_SECONDS_MAX
    assert writer.seconds_since_commit == 300 + sum(waits)
    disk.fail_at = None
    writer.save_now(tiny())
    assert writer.seconds_since_commit == 0
    assert not writer.due(300)


@pytest.mark.parametrize(("took", "period"), [(0, 300), (57, 243), (200, 150)])
def test_a_save_begins_earlier_by_what_the_last_one_took(tmp_path: Path, took: int, period: int) -> None:
    clock = Clock()
    writer = new_writer(tmp_path, clock=clock)
    writer.save_now(tiny(), sync_replay=lambda: clock.advance(took))
    clock.advance(period - took - 1)
    assert not writer.due(300)
    clock.advance(1)
    assert writer.due(300)
    began = clock()
    writer.save_now(tiny(2), sync_replay=lambda: clock.advance(took))
    if took <= 150:
        # From the beginning of the first to the commit of the second.
        assert clock() - (began - period) <= 300


def test_a_replay_that_cannot_be_synced_is_no_commit(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(errno.EIO, "Input/output error")

    assert isinstance(new_writer(tmp_path).save_now(tiny(), sync_replay=full), CheckpointFailed)
    assert Catalogue(tmp_path).list() == []


def test_a_bug_in_the_thread_is_raised_to_the_trainer(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    writer.begin(tiny(), sync_replay=[].pop)
    with pytest.raises(IndexError):
        writer.wait(10)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"random": {"torch": torch.zeros(3)}}, "uint8"),
        ({"learning": {"random|x": torch.zeros(3)}}, "random"),
        ({"model": {"w": torch.eye(3).to_sparse()}, "tied": ()}, "dense"),
        ({"model": {"w": torch.zeros(3, device="meta")}, "tied": ()}, "dense"),
        ({"state": {"x": object()}}, "JSON"),
        ({"spec": {"x": float("nan")}}, "JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_at_once(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    writer = new_writer(tmp_path)
    with pytest.raises(ValueError, match=what):
        writer.begin(tiny(**changes))
    assert isinstance(writer.save_now(tiny()), CheckpointSaved)


def test_pruning_reports_what_went(tmp_path: Path) -> None:
    events: list[Event] = []
    clock = Clock()
    policy = CheckpointConfig(keep_latest=2, keep_hourly=0, keep_daily=0)
    writer = new_writer(tmp_path, events, clock=clock, retention=policy)
    for step, bpc in enumerate([3.0, 1.0, 2.0, 2.0], start=1):
        writer.save_now(tiny(step, metrics={"bpc": bpc, "phi": float("nan")}))
        clock.advance(300)
    pruned = [event.checkpoint for event in events if isinstance(event, CheckpointPruned)]
    assert pruned == ["continuous_1706123456"]
    assert [info.manifest.step for info in Catalogue(tmp_path).list()] == [4, 3, 2]


def test_numbers_continue_in_the_next_session(tmp_path: Path) -> None:
    save_steps(tmp_path, [5, 6])
    save_steps(tmp_path, [4], session=2, clock=Clock(NOON - 900))  # a clock put back must not hide the newest
    newest = Catalogue(tmp_path).latest("r-1")
    assert newest is not None
    assert (newest.manifest.session, newest.manifest.sequence, newest.manifest.step) == (2, 3, 4)


def test_a_manifest_that_its_reader_would_refuse_is_a_failed_save(tmp_path: Path) -> None:
    events: list[Event] = []
    writer = new_writer(tmp_path, events)
    failed = writer.save_now(tiny(reason=None))
    assert isinstance(failed, CheckpointFailed)
    assert "reason" in failed.error
    assert not list(tmp_path.iterdir())
    assert isinstance(writer.save_now(tiny()), CheckpointSaved)
    writer.close()


def test_large_tables_have_a_file_of_their_own(tmp_path: Path) -> None:
    counts = torch.zeros(100_000, dtype=torch.uint8)
    counts[::50] = 7
    large = {**tiny().learning, "counts|table": counts}
    [path] = save_all(tmp_path / "with", [tiny(learning=large)])
    assert_same(load(path), tiny(learning=large))
    info = Catalogue(path.parent).verify(path)
    assert info.manifest.format_version == 2
    assert info.size_bytes == sum(file.stat().st_size for file in path.iterdir())  # what it takes on disk
    assert info.manifest.files[TABLES].size < 10_000
    assert info.manifest.files[LEARNING].size < 10_000


def test_without_tables_the_form_is_that_of_before(tmp_path: Path) -> None:
    [path] = save_all(tmp_path, [tiny(tables=frozenset())])
    assert sorted(file.name for file in path.iterdir()) == sorted((*FILES, MANIFEST))
    loaded = load(path)
    assert_same(loaded, tiny())
    assert loaded.manifest.format_version == 1
