"""The store: what is written is read back in the API's shapes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from daemon.errors import UsageError
from daemon.events import CheckpointPruned, LimitReached
from daemon.store import Store
from daemon.store.tables import runs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.store.conftest import FakeClock, OpenStore

CREATED = "2023-11-14T22:13:20+00:00"


def test_a_run_comes_back_in_the_form_of_the_api(store: Store) -> None:
    config = {"seed": 3, "limits": {"hours": None, "steps": 500, "epochs": None}}
    store.create_run(
        "r-1", name="first", preset="tiny", brain="synapse", config=config, parent_run="r-0", parent_step=9
    )
    store.start_session("r-1", 1, first_step=10)
    store.update_run("r-1", state="running", step=12, latest={"bpc": 2.5, "phi": None})
    assert store.flush()

    assert store.run("r-1") == {
        "id": "r-1",
        "name": "first",
        "preset": "tiny",
        "brain": "synapse",
        "device": None,
        "state": "running",
        "degraded": False,
        "reason": None,
        "step": 12,
        "samples": 0,
        "training_seconds": 0.0,
        "created_at": CREATED,
        "started_at": None,
        "ended_at": None,
        "session": 1,
        "parent": {"run": "r-0", "step": 9},
        "limits": {"hours": None, "steps": 500, "epochs": None},
        "latest": {"bpc": 2.5, "phi": None},
        "latest_steps": {},
        "readings": {},
        "sample": None,
        "sample_step": None,
        "sample_time": None,
        "checkpoint": None,
        "num_parameters": None,
        "num_neurons": None,
        "sources": [],
        "config": config,
    }
    assert store.run("r-2") is None


def test_lists_are_pages_newest_first(store: Store) -> None:
    for number in range(5):
        store.create_run(f"r-{number}", state="running" if number % 2 else "stopped")
    store.flush()

    first = store.runs(limit=2)
    second = store.runs(limit=2, cursor=first.next)
    third = store.runs(limit=2, cursor=second.next)

    assert [run["id"] for page in (first, second, third) for run in page.items] == [
        "r-4",
        "r-3",
        "r-2",
        "r-1",
        "r-0",
    ]
    assert third.next is None
    assert "config" not in first.items[0]
    assert [run["id"] for run in store.runs(states={"running"}).items] == ["r-3", "r-1"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "bnVsbA", "e30", "eyJiZWZvcmUiOlsxXX0", "é"])
def test_a_cursor_from_elsewhere_is_refused_in_a_line(store: Store, cursor: str) -> None:
    with pytest.raises(UsageError, match="was not given by this list"):
        store.runs(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_bounds(store: Store, limit: int) -> None:
    with pytest.raises(UsageError, match="between 1 and 500"):
        store.events(limit=limit)


def test_events_are_numbered_at_once_and_kept_in_order(store: Store) -> None:
    numbers = [
        store.add_event(LimitReached(step=step, limit="steps").record(), run="r-1", session=1)
        for step in range(4)
    ]
    other = store.add_event(CheckpointPruned(checkpoint="continuous_1").record())
    store.flush()

    assert [*numbers, other] == [1, 2, 3, 4, 5]
    assert store.newest_seq == 5
    assert [event["seq"] for event in store.events().items] == [5, 4, 3, 2, 1]
    assert [event["seq"] for event in store.events("r-1", after=2).items] == [3, 4]
    assert [event["seq"] for event in store.events(before=3).items] == [2, 1]
    assert [event["seq"] for event in store.events(kind="checkpoint_pruned").items] == [5]
    assert [
        event["seq"] for event in store.events(kind=["checkpoint_pruned", "limit_reached"], limit=2).items
    ] == [5, 4]


def test_an_event_reads_as_it_was_recorded(store: Store) -> None:
    record = LimitReached(step=7, limit="hours").record()
    seq = store.add_event(record, run="r-1", session=2)
    store.flush()

    assert store.events().items == [{**record, "seq": seq, "run": "r-1", "session": 2}]


@pytest.mark.parametrize("after", [None, 0])
def test_pages_of_events_miss_none_and_repeat_none(store: Store, after: int | None) -> None:
    for number in range(7):
        store.add_event(LimitReached(step=number, limit="steps").record())
    store.flush()

    page = store.events(after=after, limit=3)
    seen = [event["seq"] for event in page.items]
    while page.next is not None:
        page = store.events(cursor=page.next, limit=3)
        seen += [event["seq"] for event in page.items]

    assert seen == ([1, 2, 3, 4, 5, 6, 7] if after == 0 else [7, 6, 5, 4, 3, 2, 1])


def test_numbers_of_events_continue_after_a_restart(open_store: OpenStore) -> None:
    first = open_store()
    assert first.add_event(LimitReached(limit="steps").record()) == 1
    first.close()

    assert open_store().add_event(LimitReached(limit="steps").record()) == 2


def test_numbers_of_events_are_not_given_twice_after_a_crash(
    store: Store, file: Path, tmp_path: Path, clock: FakeClock
) -> None:
    store.flush()
    given = [store.add_event(LimitReached(limit="steps").record()) for _ in range(3)]
    # What a killed process leaves: the files as they are, perhaps without the newest events.
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for left in file.parent.glob(f"{file.name}*"):
        shutil.copy(left, crashed)

    with Store.open(f"sqlite:///{crashed / file.name}", clock=clock) as after:
        assert after.add_event(LimitReached(limit="steps").record()) > max(given)


def test_numbers_are_set_aside_again_before_a_block_ends(
    store: Store, file: Path, tmp_path: Path, clock: FakeClock
) -> None:
    record = LimitReached(limit="steps").record()
    given = [store.add_event(record) for _ in range(12_000)]
    store.flush()
    copy = tmp_path / "copy.db"
    store.backup(copy)

    assert given == list(range(1, 12_001))
    with Store.open(f"sqlite:///{copy}", clock=clock) as after:
        assert after.add_event(record) > 12_000


def test_checkpoints_are_kept_pinned_and_marked(store: Store, clock: FakeClock) -> None:
    for number in range(3):
        clock.now += 300
        store.put_checkpoint(
            f"continuous_{number}", run="r-1", session=1, step=number, reason="auto", path=f"/c/{number}"
        )
    store.put_checkpoint("continuous_1", pinned=True, bpc=2.25)
    store.mark_deleted("continuous_0")
    store.flush()

    first = store.checkpoints(limit=1)
    rest = store.checkpoints(limit=1, cursor=first.next)
    assert [first.items[0]["id"], rest.items[0]["id"], rest.next] == ["continuous_2", "continuous_1", None]
    assert rest.items[0]["pinned"] is True
    assert rest.items[0]["bpc"] == 2.25
    assert rest.items[0]["verified"] is True
    assert len(store.checkpoints("r-1", deleted=True).items) == 3
    assert store.checkpoints("r-2").items == []
    gone = store.checkpoint("continuous_0")
    assert gone is not None
    assert gone["deleted_at"] is not None


def test_an_operation_is_put_and_finished(store: Store, clock: FakeClock) -> None:
    store.put_operation("o-1", run="r-1", action="checkpoint")
    clock.now += 1
    store.put_operation("o-2", run="r-1", action="stop")
    store.put_operation("o-1", state="done", result={"checkpoint": "continuous_1"}, finished_at=clock.now)
    store.flush()

    done = store.operation("o-1")
    assert done is not None
    assert (done["state"], done["result"], done["action"]) == (
        "done",
        {"checkpoint": "continuous_1"},
        "checkpoint",
    )
    assert [operation["id"] for operation in store.operations("r-1").items] == ["o-2", "o-1"]
    assert store.operation("o-3") is None


def test_an_answer_is_known_at_once_and_after_a_restart(open_store: OpenStore, clock: FakeClock) -> None:
    first = open_store()
    first.remember_answer("k", "POST /runs", body_hash="ab", status=201, response={"id": "r-1"})
    known = first.recall_answer("k", "POST /runs")
    assert known is not None
    assert known["status"] == 201
    assert first.recall_answer("k", "POST /other") is None
    first.close()

    second = open_store()
    kept = second.recall_answer("k", "POST /runs")
    assert kept is not None
    assert (kept["body_hash"], kept["response"]) == ("ab", {"id": "r-1"})
    clock.now += 90_000
    second.forget_answers(older_than_seconds=86_400)
    second.flush()
    assert second.recall_answer("k", "POST /runs") is None


def test_readings_and_evaluations_of_lost_steps_do_not_come_back(store: Store) -> None:
    store.create_run("r-1")
    store.start_session("r-1", 1, first_step=1)
    for step in (100, 200):
        store.add_readings(
            "r-1", 1, [{"name": "phi", "value": step / 1000, "step": step, "version": "2", "unheard": 1}]
        )
        store.add_evaluations(
            "r-1", 1, [{"source": "books", "bpc": 3.0 - step / 1000, "step": step, "coverage": 1.0}]
        )
    store.start_session("r-1", 2, first_step=151)
    store.add_readings("r-1", 2, [{"name": "phi", "value": None, "reason": "too few samples", "step": 180}])
    store.add_evaluations(
        "r-1", 2, [{"source": "books", "bpc": 2.75, "step": 180}, {"source": "code", "step": 180}]
    )
    store.flush()

    assert [
        (row["step"], row["value"], row["session"]) for row in store.readings("r-1", name="phi").items
    ] == [
        (180, None, 2),
        (100, 0.1, 1),
    ]
    assert [row["bpc"] for row in store.evaluations("r-1", source="books").items] == [2.75, 2.9]
    newest = store.evaluations("r-1", limit=2).items
    assert {(row["source"], row["bpc"], row["step"]) for row in newest} == {
        ("books", 2.75, 180),
        ("code", None, 180),
    }
    page = store.evaluations("r-1", limit=2)
    assert len(store.evaluations("r-1", limit=2, cursor=page.next).items) == 1


def test_sessions_tell_how_each_life_went(store: Store, clock: FakeClock) -> None:
    store.create_run("r-1")
    store.start_session("r-1", 1)
    store.add_columns("r-1", 1, {"step": [5, 6], "time": [1.0, 2.0], "bpc": [3.0, 2.0]})
    clock.now += 60
    store.end_session("r-1", 1, end_state="crashed", reason="killed")
    store.start_session("r-1", 2, first_step=6, resumed_from="continuous_1")
    store.flush()

    one, two = store.sessions("r-1")
    assert (one["first_step"], one["last_step"], one["end_state"], one["reason"]) == (
        5,
        6,
        "crashed",
        "killed",
    )
    assert one["started_at"] < one["ended_at"]
    assert (two["first_step"], two["last_step"], two["resumed_from"]) == (6, None, "continuous_1")


def test_alarms_are_raised_cleared_and_acknowledged(store: Store, clock: FakeClock) -> None:
    store.put_alarm("a-1", run="r-1", kind="phi_falling", message="Φ falls", remedy="check the connections")
    clock.now += 1
    store.put_alarm("a-2", run="r-1", kind="agency_low", message="agency < 0.3")
    store.put_alarm("a-1", cleared_at=clock.now, acknowledged_at=clock.now)
    store.flush()

    assert [alarm["id"] for alarm in store.alarms("r-1", active=True).items] == ["a-2"]
    assert [alarm["id"] for alarm in store.alarms().items] == ["a-2", "a-1"]


def test_settings_of_jobs_are_kept(open_store: OpenStore) -> None:
    first = open_store()
    first.put_job("backup", paused=True, trigger={"every_seconds": 60.0})
    first.put_job("backup", last_run=1_700_000_000, last_outcome="fine")
    first.close()

    assert open_store().jobs() == {
        "backup": {
            "job": "backup",
            "paused": True,
            "trigger": {"every_seconds": 60.0},
            "last_run": CREATED,
            "last_outcome": "fine",
        }
    }


def test_a_column_that_is_none_is_a_mistake_of_the_caller(store: Store) -> None:
    with pytest.raises(TypeError, match="table runs has no column colour"):
        store.create_run("r-1", colour="red")


def test_one_bad_order_does_not_hold_up_the_others(store: Store) -> None:
    store.add_event({"kind": None, "message": "no kind"})
    store.add_columns("unknown", 1, {"step": [1], "time": [1.0], "bpc": [1.0]})
    good = store.add_event(LimitReached(limit="steps").record())
    store.create_run("r-1")

    assert store.flush()
    assert store.degraded is None
    assert [event["seq"] for event in store.events().items] == [good]
    assert store.run("r-1") is not None


def test_numbers_json_has_no_word_for_become_null(store: Store) -> None:
    store.create_run("r-1", latest={"bpc": float("nan"), "list": [float("inf"), 1.0]})
    store.flush()

    run = store.run("r-1")
    assert run is not None
    assert run["latest"] == {"bpc": None, "list": [None, 1.0]}


def test_a_question_sees_one_moment(store: Store) -> None:
    store.create_run("r-1")
    store.flush()
    with store._reading() as connection:
        before = connection.execute(sa.select(runs.c.id)).all()
        store.create_run("r-2")
        assert store.flush()
        assert connection.execute(sa.select(runs.c.id)).all() == before
    assert len(store.runs().items) == 2


def test_closing_writes_what_waits_and_twice_is_fine(open_store: OpenStore) -> None:
    first = open_store()
    first.create_run("r-1")
    first.close()
    first.close()
    first.create_run("r-2")

    assert [run["id"] for run in open_store().runs().items] == ["r-1"]


def test_the_forgetting_matrix_is_kept_by_source_and_lost_steps_do_not_come_back(store: Store) -> None:
    store.create_run("r-1")
    store.start_session("r-1", 1, first_step=0)
    for step, bpc in ((10, 3.0), (20, 2.5)):
        store.add_forgetting("r-1", 1, [{"source": "books", "step": step, "bpc": bpc, "smooth": bpc}])
    store.start_session("r-1", 2, first_step=15)
    store.add_forgetting(
        "r-1", 2, [{"source": "books", "step": 20, "bpc": 2.6, "smooth": 2.8, "forgetting": 0.1}]
    )
    store.add_forgetting("r-1", 2, [{"source": "code", "step": 20, "bpc": 4.0}])
    store.flush()
    matrix = store.forgetting("r-1", limit=100)
    assert matrix["books"] == {
        "step": [10, 20], "bpc": [3.0, 2.6], "smooth": [3.0, 2.8], "forgetting": [None, 0.1]
    }  # fmt: skip
    assert matrix["code"]["bpc"] == [4.0]
    assert store.forgetting("r-1", limit=1)["code"]["step"] == [20]
    assert store.forgetting("r-2", limit=10) == {}
