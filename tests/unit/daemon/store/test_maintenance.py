"""Copies, tidying and trouble with a real file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.errors import DaemonError
from daemon.events import LimitReached
from daemon.store import Store, engine, wal_truncation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.store.conftest import FakeClock, OpenStore


def test_a_backup_is_one_whole_file_that_opens(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    store.create_run("r-1")
    copy = tmp_path / "backups" / "copy.db"

    assert store.backup(copy) == copy.stat().st_size
    assert [path.name for path in copy.parent.iterdir()] == ["copy.db"]
    with Store.open(f"sqlite:///{copy}", clock=clock) as restored:
        assert restored.run("r-1") is not None


def test_a_backup_while_writing_is_consistent(store: Store, tmp_path: Path) -> None:
    store.create_run("r-1")
    stop = threading.Event()
    step = 0

    def write() -> None:
        nonlocal step
        while not stop.is_set():
            store.add_columns("r-1", 1, {"step": [step], "time": [1.0], "bpc": [1.0]})
            store.flush()
            step += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        store.backup(tmp_path / "copy.db")
    finally:
        stop.set()
        thread.join(10)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_backup_that_cannot_be_written_leaves_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(DaemonError, match="was not copied"):
        store.backup(tmp_path / "taken" / "copy.db")


def test_upkeep_folds_the_log_in_and_finds_the_file_whole(store: Store, file: Path) -> None:
    store.create_run("r-1")
    store.add_columns("r-1", 1, {"step": list(range(2000)), "time": [1.0] * 2000, "bpc": [1.0] * 2000})

    assert store.upkeep() == "ok"
    assert file.with_name("synapsed.db-wal").stat().st_size == 0


def test_a_lock_held_elsewhere_is_waited_out(
    open_store: OpenStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 20)
    store = open_store()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        seq = store.add_event(LimitReached(limit="steps").record())
        assert not store.flush(0.3)
        during = store.degraded
        other.execute("ROLLBACK")
    assert store.flush()
    assert (during, store.degraded) == ("database is locked", None)
    assert [event["seq"] for event in store.events(kind="limit_reached").items] == [seq]


def test_a_full_disk_is_waited_out_and_nothing_is_counted_twice(store: Store) -> None:
    store.create_run("r-1")
    store.start_session("r-1", 1, first_step=0)
    assert store.flush()
    # The writer is idle now: its connection can be limited to a full disk here.
    connection = store._committer._connection
    connection.exec_driver_sql("PRAGMA max_page_count = 1")
    connection.rollback()
    steps = list(range(30_000))
    store.add_columns("r-1", 1, {"step": steps, "time": steps, "bpc": [1.0] * 30_000})
    assert not store.flush(0.5)
    assert store.degraded == "database or disk is full"
    assert store.run("r-1") is not None

    raise_limit(store)
    assert store.flush()
    series = store.series("r-1", ["bpc"], points=10)
    assert series is not None
    assert sum(series["metrics"]["bpc"]["n"]) == 30_000


def raise_limit(store: Store) -> None:
    """Give the disk room before the next try: on the writer's thread, which owns the connection."""
    committer = store._committer
    apply = committer.apply

    def with_room(batch: list[object]) -> None:
        committer._connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        committer._connection.rollback()
        committer.apply = apply  # type: ignore[method-assign]
        apply(batch)  # type: ignore[arg-type]

    committer.apply = with_room  # type: ignore[method-assign, assignment]


def test_a_log_that_a_reader_holds_is_cut_behind_a_later_batch(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal_truncation, "FOLD_TIMEOUT_MS", 1)
    log = file.with_name(f"{file.name}-wal")
    store.create_run("r-1")
    store.flush()
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        store.update_run("r-1", sample="in the log")
        store.cut_log()
        store.flush()
        assert log.stat().st_size > 0
    store.update_run("r-1", sample=None)
    store.flush()
    assert log.stat().st_size == 0
