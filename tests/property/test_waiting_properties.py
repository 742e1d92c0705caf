"""Orders drawn together while they wait leave the database as each by itself would."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.store import Store
from daemon.store.engine import parse_url, write_engine
from daemon.store.fresh_rows import FRESH_CHECKPOINT, FRESH_RUN
from daemon.store.tables import alarms, answers, checkpoints, events, metadata, operations, runs, sessions
from daemon.store.transaction import Committer
from daemon.store.waiting import Waiting
from daemon.store.writes import Columns, Insert, Points, Put, Remove, StartSession, Write

NAMES = st.sampled_from(["a", "b"])
SMALL = st.integers(0, 3)
STEPS = st.tuples(st.integers(0, 250), st.integers(1, 130))
FRESH = {
    "operations": {"action": "", "state": "pending", "created_at": 1.0},
    "alarms": {"kind": "", "severity": "warning", "message": "", "data": {}, "raised_at": 1.0},
    "answers": {"body_hash": "", "status": 0, "created_at": 1.0},
    "checkpoints": {"created_at": 1.0, **FRESH_CHECKPOINT},
    "runs": {"created_at": 1.0, **FRESH_RUN},
}


def put(table: sa.Table, fields: dict[str, st.SearchStrategy[Any]], *, fresh: bool = True) -> Any:
    key = next(iter(table.primary_key.columns)).name if table is not runs else "id"
    names = st.sampled_from(sorted(fields))
    values = st.dictionaries(names, st.just(None), min_size=1).flatmap(
        lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen})
    )
    of_new = st.sampled_from([FRESH[table.name], None]) if fresh else st.none()
    second = {"endpoint": "POST /x"} if table is answers else {}
    return st.builds(
        lambda name, values, fresh: Put(table=table, key={key: name, **second}, values=values, fresh=fresh),
        NAMES, values, of_new,
    )  # fmt: skip


def clear(run: str, kind: str | None, at: float) -> Put:
    """As Store.clear_alarms."""
    key = {"run": run, "cleared_at": None, **({} if kind is None else {"kind": kind})}
    return Put(table=alarms, key=key, values={"cleared_at": at}, fresh=None)


def rows(run: str, session: int, steps: tuple[int, int], value: float) -> Columns:
    numbers = list(range(steps[0], sum(steps)))
    columns: dict[str, list[float | None]] = {
        "step": [*numbers],
        "time": [1e9 + value] * len(numbers),
        "bpc": [value] * len(numbers),
    }
    return Columns(run=run, session=session, columns=columns)


FLOATS = st.floats(0, 9, width=16)
TEXTS = st.sampled_from(["x", "y", "z"])
WRITES: st.SearchStrategy[Write] = st.one_of(
    put(runs, {"state": TEXTS, "step": SMALL, "session": SMALL, "config": st.just({"seed": 1})}, fresh=False),
    put(operations, {"state": TEXTS, "error": TEXTS}),
    put(alarms, {"run": NAMES, "kind": TEXTS, "cleared_at": st.one_of(st.none(), FLOATS), "message": TEXTS}),
    st.builds(clear, NAMES, st.one_of(st.none(), TEXTS), FLOATS),
    put(answers, {"status": SMALL, "response": TEXTS}),
    st.builds(lambda below: Remove(table=answers, column="created_at", below=below), FLOATS),
    put(checkpoints, {"pinned": st.booleans(), "path": TEXTS, "deleted_at": FLOATS}),
    st.builds(
        lambda run, number, state: Put(
            table=sessions, key={"run": run, "number": number}, values={"end_state": state}, fresh=None
        ),
        NAMES, SMALL, TEXTS,
    ),
    st.builds(
        lambda run, number, first: StartSession(
            run=run, number=number, values={"started_at": 5.0, **({} if first is None else {"first_step": first})}
        ),
        NAMES, SMALL, st.one_of(st.none(), st.integers(0, 250)),
    ),
    st.builds(rows, NAMES, SMALL, STEPS, FLOATS),
    st.builds(
        lambda run, session, step, value: Points(
            run=run, session=session, points=[("phi", step, 1e9, value)]
        ),
        NAMES, SMALL, st.integers(0, 250), FLOATS,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy, with two runs."""
    file = tmp_path_factory.mktemp("empty") / "synapsed.db"
    with Store.open(file, clock=lambda: 1e9) as store:
        store.create_run("a")
        store.create_run("b")
    return file


def held_by(empty: Path, folder: Path, batches: list[list[Write]]) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the database after these batches."""
    engine = write_engine(parse_url(Path(shutil.copy(empty, folder))))
    committer = Committer(engine, clock=lambda: 5.0)
    for batch in batches:
        committer.apply(batch)
    committer.close()
    with engine.connect() as connection:
        found = {
            name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for name, table in metadata.tables.items()
        }
    engine.dispose()
    return found


@settings(max_examples=40, deadline=None)
@given(writes=st.lists(st.tuples(WRITES, st.booleans()), max_size=14))
def test_drawn_together_is_as_one_by_one(empty_database: Path, writes: list[tuple[Write, bool]]) -> None:
    """Batches are cut anywhere; events keep their order among all else."""
    waiting, batches, single = Waiting(), [], []
    for seq, (write, cut) in enumerate(writes, start=1):
        event = {"seq": seq, "kind": "k", "severity": "info", "time": 1.0, "message": "", "data": {}}
        for order in (write, Insert(table=events, rows=[event])):
            waiting.add(order)
            single.append([order])
        if cut:
            batches.append(waiting.take())
    batches.append(waiting.take())
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        assert held_by(empty_database, Path(one), batches) == held_by(empty_database, Path(other), single)
    assert not waiting.lost


@settings(max_examples=100, deadline=None)
@given(
    seconds=st.integers(1, 400),
    max_bytes=st.integers(5_000, 50_000),
    size=st.integers(0, 300),
)
def test_however_long_it_waits_the_bound_holds_and_every_loss_is_counted(
    seconds: int, max_bytes: int, size: int
) -> None:
    waiting = Waiting(max_bytes=max_bytes)
    for second in range(seconds):
        waiting.add(Put(table=runs, key={"id": "a"}, values={"step": second}, fresh=None))
        waiting.add(Insert(table=events, rows=[{"seq": second, "message": "m" * size}]))
        key = {"key": f"k-{second}", "endpoint": "POST /x"}
        waiting.add(Put(table=answers, key=key, values={"response": "r" * size}, fresh={}))
        assert waiting.num_bytes <= max_bytes
    kept = waiting.take()
    assert [write.values for write in kept if isinstance(write, Put) and write.table is runs] == [
        {"step": seconds - 1}
    ]
    seqs = [row["seq"] for write in kept if isinstance(write, Insert) for row in write.rows]
    assert seqs == sorted(seqs)
    assert len(seqs) + waiting.lost["events"] == seconds
    num_answers = sum(isinstance(write, Put) and write.table is answers for write in kept)
    assert num_answers + waiting.lost["answers"] == seconds
    assert waiting.lost["answers"] or not waiting.lost["events"]  # what can be repeated goes first
