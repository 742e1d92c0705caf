"""Commands that read the history where no daemon runs: from its database, which stays as it is."""

from __future__ import annotations

import os
import sqlite3
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli.asking import answer_of
from daemon.errors import NotFoundError
from daemon.store import Store
from tests.unit.daemon.checkpoint.samples import save_steps

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home
    from tests.unit.daemon.cli.conftest import Call

WRITTEN = 1_700_000_000.0


@pytest.fixture
def database(home: Home) -> Path:
    """What a daemon left behind that was killed while its second run learned."""
    file = home.root / "synapsed.db"
    with Store.open(file, clock=lambda: WRITTEN) as store:
        for run, state in (("r-1", "stopped"), ("r-2", "running")):
            store.create_run(
                run,
                name=f"name of {run}",
                state=state,
                config={},
                created_at=datetime.now(UTC),
                brain="synapse",
            )
            store.update_run(
                run, step=1234, latest={"bpc": 2.5, "forgetting": 0.25}, checkpoint="continuous_9"
            )
            for number in range(3):
                store.add_event(
                    {"kind": "pass_finished", "severity": "info", "message": f"{run} {number}", "data": {}},
                    run=run,
                )
        store.put_alarm("a-1", run="r-2", kind="collapse", severity="error", message="It collapsed → rest")
        store.put_alarm("a-2", run="r-2", kind="agency_low", message="It was low", cleared_at=WRITTEN)
        store.add_forgetting(
            "r-2", 1, [{"source": "notes", "step": 5, "bpc": 2.0, "smooth": 2.0, "time": WRITTEN}]
        )
    os.utime(file, (WRITTEN, WRITTEN))
    return file


def note_of(home: Home) -> str:
    when = datetime.fromtimestamp(WRITTEN).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"synapsed: no daemon runs in {home.root}; read from its database, last written {when}\n"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("events", "--kind", "checkpoint_savd"), 2, "did you mean checkpoint_saved?"),
        (("events", "--kind", "nope"), 2, "no event is of kind 'nope'; there are "),
        (("events", "--run", "nope"), 5, "there is no run nope"),
        (("alarms", "--run", "nope"), 5, "there is no run nope"),
        (("forgetting", "--run", "nope"), 5, "there is no run nope"),
        (("checkpoints", "--run", "nope"), 5, "is of a run 'nope'; list the runs: synapsed runs"),
    ],
)
def test_a_list_of_what_there_is_not_is_refused(
    call: Call, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    for more in ((), ("--json",)):
        called = call(*arguments, *more)
        assert (called.code, called.out) == (code, "")
        assert expected in called.err


@pytest.mark.usefixtures("database")
def test_an_empty_list_of_what_there_may_be_is_none_yet(call: Call) -> None:
    assert call("events", "--kind", "checkpoint_saved").out == "There has been no checkpoint_saved yet.\n"
    assert call("alarms", "--run", "r-1").out == "There are no alarms.\n"


def test_runs_and_events_are_read_without_a_daemon(call: Call, home: Home, database: Path) -> None:
    before = database.read_bytes()
    runs = call("runs")
    assert (runs.code, runs.err) == (0, note_of(home))
    newest, oldest = runs.out.splitlines()[1:]
    assert newest.split()[0] == "r-2"
    assert "last known: running" in newest  # nobody knows what became of it
    assert "stopped" in oldest
    listed = call("runs", "--json", "--limit", "1").json()
    assert [(run["id"], run["state"], run["latest"]["bpc"]) for run in listed] == [("r-2", "running", 2.5)]
    assert [line.split("  ")[-1].strip() for line in call("events").out.splitlines()[:2]] == [
        "r-1 0",
        "r-1 1",
    ]
    assert [
        event["message"] for event in call("events", "--run", "r-1", "--limit", "2", "--json").json()
    ] == [
        "r-1 2",
        "r-1 1",
    ]
    assert call("events", "--kind", "run_resumed", "--json").json() == []
    unknown = call("events", "--run", "r-9")
    assert (unknown.code, unknown.err.splitlines()[1:]) == (
        5,
        ["synapsed: there is no run r-9; did you mean r-2 (name of r-2)? List them: synapsed runs"],
    )
    assert database.read_bytes() == before
    assert not database.with_name("synapsed.db-wal").exists()


def test_status_alarms_and_forgetting_are_read_without_a_daemon(
    call: Call, home: Home, database: Path
) -> None:
    status = call("status")
    assert (status.code, status.err) == (4, note_of(home))  # a script may ask it whether a daemon answers
    assert status.out.splitlines()[0] == "name of r-2 (r-2) is last known: running"
    assert "Newest checkpoint: continuous_9" in status.out
    assert call("status", "--run", "r-1", "--json").json()["run"]["state"] == "stopped"
    assert call("status", "--json").json()["url"] is None
    assert "It collapsed → rest" in call("alarms").out
    assert [alarm["id"] for alarm in call("alarms", "--json").json()] == ["a-1"]
    assert len(call("alarms", "--all", "--run", "r-2", "--json").json()) == 2
    assert call("alarms", "--acknowledge", "a-1").code == 4
    forgetting = call("forgetting", "--json").json()
    assert (forgetting["mean"], forgetting["sources"]["notes"]["smooth"]) == (0.25, [2.0])
    assert database.exists()


def test_a_speed_is_not_shown_where_no_daemon_runs(call: Call, database: Path) -> None:
    with sqlite3.connect(database) as writer:
        writer.execute(
            """UPDATE runs SET latest = '{"steps_per_second": 4.981, "integration": 0.5}' WHERE id = 'r-2'"""
        )
    shown = call("status").out
    assert "last known: running" in shown
    assert "Integration=0.500" in shown
    assert "Steps/s" not in shown


def test_a_log_that_was_not_folded_in_is_read_and_left(call: Call, database: Path) -> None:
    with sqlite3.connect(database) as writer:
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("UPDATE runs SET step = 99 WHERE id = 'r-2'")
        writer.commit()
        log = database.with_name("synapsed.db-wal").read_bytes()
        assert call("runs", "--json").json()[0]["step"] == 99
        assert database.with_name("synapsed.db-wal").read_bytes() == log
    writer.close()


def test_a_database_of_another_version_or_none_gets_one_line(call: Call, database: Path) -> None:
    with sqlite3.connect(database) as writer:
        writer.execute("UPDATE alembic_version SET version_num = '0001'")
    writer.close()
    older = call("runs")
    assert (older.code, older.out) == (2, "")
    assert "The database is at revision 0001, and this synapsed reads" in older.err
    database.write_bytes(b"no database at all" * 100)
    broken = call("events")
    assert (broken.code, broken.err.count("\n")) == (2, 1)
    assert "The database could not be read: file is not a database" in broken.err


def test_a_run_that_does_not_learn_is_asked_by_its_own_newest_checkpoint(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_steps(home.checkpoints, [1, 2], run_id="r-1")
    asked: list[Any] = []
    monkeypatch.setitem(
        sys.modules,
        "daemon.trainer.offline.questions",
        SimpleNamespace(generate=lambda _, name, **__: asked.append(name)),
    )
    for run in (None, "r-1"):
        answer_of(home, "generate", {"prompt": "x"}, run_id=run, checkpoint=None)
    answer_of(home, "generate", {"prompt": "x"}, run_id="r-1", checkpoint="continuous_7")
    assert asked == ["latest", saved[1].name, "continuous_7"]
    with pytest.raises(NotFoundError, match="no sound checkpoint of a run r-9"):
        answer_of(home, "generate", {"prompt": "x"}, run_id="r-9", checkpoint=None)
