"""A database that cannot be written for a long time: memory stays bounded, and all heals when it can again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.events import AlarmCleared, DatabaseHealed, DatabaseStalled, LimitReached
from daemon.store import Store, engine, write_thread
from daemon.store.waiting import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.events import Event

pytestmark = [pytest.mark.faults]

HOURS = 6
CONFIG = {"stream": {"data": ["a" * 200] * 10}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "synapsed.db"


@pytest.fixture
def store(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 10)
    with Store.open(file) as opened:
        opened.create_run("r-1", config=CONFIG)
        opened.start_session("r-1", 1, first_step=0)
        assert opened.flush()
        yield opened


@pytest.fixture
def lock(store: Store, file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.add_event(LimitReached(limit="steps").record())
        assert not store.flush(0.2)
        yield other


def live(store: Store, seconds: range) -> None:
    """What a run that learns has written down in a second, for each of them."""
    for second in seconds:
        store.update_run("r-1", config=CONFIG, state="running", step=second, latest={"bpc": 2.0})
        store.put_operation("op-1", run="r-1", action="sleep", state="pending", result={"at": second})
        store.add_columns("r-1", 1, {"step": [second], "time": [float(second)], "bpc": [2.0]})


@pytest.mark.fault(
    "Unwritable database",
    tried="another program holds the database for six hours of a run",
    happens="one pending write a row, however long; once it is free everything is written, nothing is missing",
)
def test_hours_of_a_lock_wait_as_one_order_a_row(store: Store, lock: sqlite3.Connection) -> None:
    live(store, range(60))
    after_a_minute = store._writer._queue.num_bytes
    live(store, range(60, HOURS * 3600))
    assert store._writer._queue.num_bytes < 2 * after_a_minute < MAX_BYTES

    lock.execute("ROLLBACK")
    assert store.flush(60)
    run = store.run("r-1")
    assert run is not None
    assert (run["state"], run["step"]) == ("running", HOURS * 3600 - 1)
    series = store.series("r-1", ["bpc"], points=100)
    assert series is not None
    assert sum(series["metrics"]["bpc"]["n"]) == HOURS * 3600
    assert (store.dropped, store.degraded) == (0, None)


@pytest.mark.fault(
    "Unwritable database",
    tried="it is locked, and more events and answers come than memory may hold",
    happens="the oldest are dropped, repeatable ones first; an event reports how many once it heals",
)
def test_what_had_to_go_is_counted_and_reported(
    store: Store, file: Path, lock: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Event] = []
    store.report = reported.append
    monkeypatch.setattr(store._writer._queue, "_max_bytes", 100_000)
    count = 2000
    for number in range(count):
        store.remember_answer(f"k-{number}", "POST /x", body_hash="h", status=200, response="r" * 50)
        store.add_event(LimitReached(limit="steps").record(), run="r-1")
    store.update_run("r-1", state="stopped")
    assert store._writer._queue.num_bytes <= 100_000

    lock.execute("ROLLBACK")
    assert store.flush(60)
    (healed,) = (event for event in reported if isinstance(event, DatabaseHealed))
    with closing(sqlite3.connect(file)) as connection:
        kept = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        num_answers = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
    assert kept + healed.lost["events"] == store.newest_seq
    assert num_answers + healed.lost["answers"] == count
    assert f"these rows were lost for lack of room: {healed.lost['answers']:,} of answers" in healed.message
    run = store.run("r-1")
    assert run is not None
    assert run["state"] == "stopped"


@pytest.mark.fault(
    "Unwritable database",
    tried="an alarm clears, rises and clears again while the database is locked, in one batch",
    happens="it ends cleared; raised last, it ends raised",
)
@pytest.mark.parametrize("ends", ["cleared", "raised"])
def test_an_alarm_ends_as_it_was_last(store: Store, lock: sqlite3.Connection, ends: str) -> None:
    def raise_alarm() -> None:
        store.put_alarm("r-1.phi.5", run="r-1", kind="phi", message="m", cleared_at=None)

    raise_alarm()
    store.clear_alarms("r-1", kind="phi", at=10.0)
    raise_alarm()
    store.clear_alarms("r-1", kind="phi", at=20.0)
    if ends == "raised":
        raise_alarm()
    store.add_event(AlarmCleared(alarm="phi", sign="phi", raised_step=5).record(), run="r-1")
    lock.execute("ROLLBACK")
    assert store.flush()

    alarm = store.alarm("r-1.phi.5")
    assert alarm is not None
    assert (alarm["cleared_at"] is None) is (ends == "raised")


@pytest.mark.fault(
    "Unwritable database",
    tried="its disk is full, then has room again",
    happens="an event reports that it cannot be written and why, another that it can again",
)
def test_trouble_and_its_end_are_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_thread, "FIRST_RETRY_SECONDS", 0.01)
    reported: list[Event] = []
    store.report = reported.append
    apply = store._committer.apply

    def full(_batch: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store._committer, "apply", full)
    monkeypatch.setattr(write_thread, "passes", lambda _error: True)
    store.update_run("r-1", step=7)
    assert not store.flush(0.2)
    monkeypatch.setattr(store._committer, "apply", apply)
    assert store.flush()

    assert [type(event) for event in reported] == [DatabaseStalled, DatabaseHealed]
    assert "database or disk is full" in reported[0].message
    assert "nothing is missing" in reported[1].message
