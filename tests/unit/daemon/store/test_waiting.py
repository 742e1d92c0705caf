"""What waits for the writer: one order a row, order kept where it matters, a bound that is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.store.answers import RecentAnswers
from daemon.store.tables import alarms, answers, events, operations, runs
from daemon.store.waiting import Waiting
from daemon.store.writes import Columns, Insert, Put, StartSession

if TYPE_CHECKING:
    from daemon.store.writes import Write
    from tests.unit.daemon.store.conftest import OpenStore


def update(run: str = "r-1", **values: Any) -> Put:
    return Put(table=runs, key={"id": run}, values=values, fresh=None)


def raised(alarm: str) -> Put:
    return Put(table=alarms, key={"id": alarm}, values={"cleared_at": None}, fresh={"kind": "phi"})


def cleared(run: str) -> Put:
    return Put(table=alarms, key={"run": run, "cleared_at": None}, values={"cleared_at": 5.0}, fresh=None)


def event(seq: int, message: str = "") -> Insert:
    return Insert(table=events, rows=[{"seq": seq, "message": message}])


def test_a_row_changed_every_second_waits_once() -> None:
    waiting = Waiting()
    size = 0
    for second in range(10_000):
        waiting.add(update(step=second, state="running"))
        waiting.add(Put(table=operations, key={"id": "op-1"}, values={"state": "done"}, fresh={}))
        size = size or waiting.num_bytes
    assert len(waiting) == 2
    assert waiting.num_bytes < 2 * size
    assert waiting.take()[0] == update(step=9_999, state="running")
    assert (len(waiting), waiting.num_bytes) == (0, 0)


def test_changes_of_different_columns_are_drawn_together() -> None:
    waiting = Waiting()
    waiting.add(update(step=1))
    waiting.add(event(1))
    waiting.add(update("r-2", step=2))
    waiting.add(update(state="paused"))
    assert waiting.take() == [update(step=1, state="paused"), event(1), update("r-2", step=2)]


def test_nothing_is_drawn_over_what_may_be_the_same_row() -> None:
    waiting = Waiting()
    orders = [raised("a"), cleared("r-1"), raised("a"), cleared("r-1"), raised("a")]
    for order in orders:
        waiting.add(order)
    assert waiting.take() == orders


def test_nothing_is_drawn_over_the_start_of_a_session() -> None:
    waiting = Waiting()
    orders: list[Write] = [update(session=1), StartSession(run="r-1", number=2), update(session=2)]
    for order in orders:
        waiting.add(order)
    assert waiting.take() == orders


def test_rows_of_an_unannounced_session_start_it() -> None:
    rows = Columns(run="r-1", session=2, columns={"step": [1], "time": [1.0]})
    waiting = Waiting()
    orders: list[Write] = [update(session=1), rows, update(session=3), rows, update(step=9)]
    for order in orders:
        waiting.add(order)
    assert waiting.take() == [update(session=1), rows, update(session=3, step=9), rows]


def test_a_change_of_a_row_that_may_not_be_there_is_not_drawn_into_its_making() -> None:
    made = Put(table=operations, key={"id": "op"}, values={"state": "done"}, fresh={"action": ""})
    changed = Put(table=operations, key={"id": "op"}, values={"error": "x"}, fresh=None)
    waiting = Waiting()
    for order in (changed, made, changed):
        waiting.add(order)
    both = Put(table=operations, key={"id": "op"}, values={"state": "done", "error": "x"}, fresh=made.fresh)
    assert waiting.take() == [changed, both]


def test_beyond_the_bound_the_oldest_history_goes_and_is_counted() -> None:
    waiting = Waiting(max_bytes=20_000)
    waiting.add(Put(table=answers, key={"key": "k"}, values={"response": "x"}, fresh={}))
    waiting.add(update(step=1))
    waiting.add(Put(table=operations, key={"id": "op"}, values={"state": "done"}, fresh={}))
    for seq in range(1000):
        waiting.add(event(seq, "m" * 100))
    assert waiting.num_bytes <= 20_000
    kept = waiting.take()
    seqs = [row["seq"] for order in kept if isinstance(order, Insert) for row in order.rows]
    assert seqs == list(range(1000 - len(seqs), 1000))
    assert waiting.lost == {"answers": 1, "events": 1000 - len(seqs)}
    assert update(step=1) in kept


def test_answers_are_held_until_they_are_committed() -> None:
    done = 0
    recent = RecentAnswers(done=lambda: done, max_answers=3)
    for number in range(1, 6):
        recent.add({"key": f"k-{number}", "endpoint": "e", "created_at": float(number)}, put=number)
    assert len(recent) == 3
    assert recent.get("k-2", "e") is None
    assert recent.get("k-3", "e") is not None
    recent.forget(4.0)
    assert (recent.get("k-3", "e"), len(recent)) == (None, 2)
    done = 4
    recent.add({"key": "k-6", "endpoint": "e", "created_at": 6.0}, put=6)
    assert recent.get("k-4", "e") is None
    assert len(recent) == 2


def test_an_answer_is_known_at_once_and_from_the_database_after(open_store: OpenStore) -> None:
    store = open_store()
    for number in range(20):
        store.remember_answer(f"k-{number}", "POST /x", body_hash="h", status=200, response=number)
        known = store.recall_answer(f"k-{number}", "POST /x")
        assert known is not None
        assert known["response"] == number
        assert store.flush()
    assert len(store._answers) <= 1
    assert store.recall_answer("k-3", "POST /x")["response"] == 3  # type: ignore[index]
