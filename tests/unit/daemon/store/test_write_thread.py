"""The writer's thread: batches, bounds, patience and the last word at closing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from daemon.store import write_thread as writer_module
from daemon.store.tables import events
from daemon.store.write_thread import Writer
from daemon.store.writes import Columns, Insert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.store.writes import Write

FULL = OperationalError("INSERT", {}, Exception("database or disk is full"))
WRONG = IntegrityError("INSERT", {}, Exception("NOT NULL constraint failed: events.kind"))


class FakeCommitter:
    """Keeps what it is given; fails while set to."""

    def __init__(self) -> None:
        self.batches: list[list[Write]] = []
        self.trouble: Exception | None = None
        self.poison: Write | None = None
        self.tried = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def apply(self, batch: list[Write]) -> None:
        self.gate.wait(10)
        self.tried.release()
        if self.trouble is not None:
            raise self.trouble
        if self.poison is not None and any(write is self.poison for write in batch):
            raise WRONG
        self.batches.append(batch)


def rows(count: int) -> Columns:
    return Columns(run="r-1", session=1, columns={"step": list(range(count)), "time": [0.0] * count})


def event(number: int) -> Insert:
    return Insert(table=events, rows=[{"seq": number}])


@pytest.fixture
def committer() -> FakeCommitter:
    return FakeCommitter()


@pytest.fixture
def writer(committer: FakeCommitter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    monkeypatch.setattr(writer_module, "FIRST_RETRY_SECONDS", 0.01)
    made = Writer(committer, max_metric_rows=100)
    yield made
    committer.gate.set()
    made.close(0.1)


def test_what_gathers_is_committed_together(writer: Writer, committer: FakeCommitter) -> None:
    orders = [event(number) for number in range(5)]
    for order in orders:
        assert writer.put(order)
    assert writer.flush(10)

    assert committer.batches == [orders]


def test_a_batch_is_committed_without_being_asked(writer: Writer, committer: FakeCommitter) -> None:
    writer.put(event(1))
    assert committer.tried.acquire(timeout=10)


def test_metric_rows_are_bounded_and_counted_and_events_never_dropped(
    writer: Writer, committer: FakeCommitter
) -> None:
    committer.gate.clear()
    assert writer.put(rows(60))
    assert writer.put(rows(40))
    assert not writer.put(rows(7))
    for number in range(1000):
        assert writer.put(event(number))
    committer.gate.set()
    assert writer.flush(10)

    assert writer.dropped == 7
    assert sum(map(len, committer.batches)) == 1002
    assert writer.put(rows(100))


def test_rows_dropped_by_a_slow_database_are_reported_now_and_then(
    writer: Writer, committer: FakeCommitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[dict[str, int]] = []
    writer._on_change = lambda _reason, lost: reported.append(dict(lost))
    for _ in range(3):
        committer.gate.clear()
        writer.put(rows(100))
        assert not writer.put(rows(5))
        committer.gate.set()
        assert writer.flush(10)
    assert reported == [{"metrics": 5}]

    monkeypatch.setattr(writer_module, "REPORT_EVERY_SECONDS", 0.0)
    writer.put(event(1))
    assert writer.flush(10)
    assert reported == [{"metrics": 5}, {"metrics": 10}]


def test_a_full_disk_is_waited_out_and_reported(writer: Writer, committer: FakeCommitter) -> None:
    troubles: list[Exception] = []
    writer._on_trouble = troubles.append
    committer.trouble = FULL
    writer.put(event(1))
    for _ in range(3):
        assert committer.tried.acquire(timeout=10)
    during = writer.degraded
    assert troubles[0] is FULL
    writer.put(event(2))

    committer.trouble = None
    assert writer.flush(10)
    assert (during, writer.degraded) == ("database or disk is full", None)
    assert committer.batches == [[event(1)], [event(2)]]


def test_a_flush_in_trouble_gives_up_in_time(writer: Writer, committer: FakeCommitter) -> None:
    committer.trouble = FULL
    writer.put(event(1))
    assert not writer.flush(0.05)


def test_one_bad_order_is_left_out_alone(
    writer: Writer, committer: FakeCommitter, caplog: pytest.LogCaptureFixture
) -> None:
    orders = [event(number) for number in range(4)]
    committer.poison = orders[2]
    for order in orders:
        writer.put(order)
    assert writer.flush(10)

    assert [write for batch in committer.batches for write in batch] == [orders[0], orders[1], orders[3]]
    assert writer.rejected == 1
    assert "refused Insert: NOT NULL constraint failed: events.kind" in caplog.text


def test_closing_writes_the_rest(committer: FakeCommitter) -> None:
    writer = Writer(committer)
    writer.put(event(1))
    assert writer.close(10)
    assert committer.batches == [[event(1)]]
    assert not writer.put(event(2))


def test_closing_in_trouble_ends_in_time_and_reports_what_was_lost(
    committer: FakeCommitter, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(committer)
    committer.trouble = FULL
    writer.put(event(1))
    writer.put(event(2))

    assert not writer.close(0.05)
    assert "closed with 2 orders unwritten (database or disk is full)" in caplog.text
