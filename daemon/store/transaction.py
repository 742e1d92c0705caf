"""Carries out a batch of orders in one transaction; the writer's thread is its only caller.

What it remembers between batches (keys, newest steps, how far rollups are whole) is a cache: after a
failure it is forgotten and read again, so memory and database cannot drift apart.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from operator import ge
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Table

from daemon.store.rollups import FINE, Rollups, RunFacts, SessionFacts
from daemon.store.statements import driver_text
from daemon.store.tables import (
    metric_names,
    metrics,
    points,
    runs,
    sessions,
)
from daemon.store.wal_truncation import cut_log
from daemon.store.writes import (
    Columns,
    CutLog,
    Insert,
    Points,
    Put,
    Remove,
    RemoveSome,
    StartSession,
    Write,
)
from daemon.trainer_protocol import HOT_METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.store.file_watch import FileWatch


class UnknownRunError(LookupError):
    """Metrics came for a run the database does not know."""


class Committer:
    """The write side of the store over one SQLAlchemy connection."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._connection: Connection = engine.connect()
        here = metrics.c.session == 0, metrics.c.step == 0
        there = points.c.session == 0, points.c.metric == 0, points.c.step == 0
        of_session = sessions.c.run == "", sessions.c.number == 0
        self._insert_row = driver_text(sa.insert(metrics).inline(), engine, metrics.c.keys())
        self._insert_point = driver_text(sa.insert(points).inline(), engine, points.c.keys())
        self._delete_row = driver_text(sa.delete(metrics).where(*here), engine)
        self._delete_point = driver_text(sa.delete(points).where(*there), engine)
        self._mark_last = driver_text(sa.update(sessions).where(*of_session).values(last_step=0), engine)
        self._rollups = Rollups(self._connection, engine)
        self._log_is_to_go = False
        self._forget()

    def apply(self, batch: list[Write]) -> None:
        """Commit the whole batch, or raise and leave nothing of it."""
        try:
            with self._connection.begin():
                for write in _coalesced(batch):
                    self._carry_out(write)
                self._close_buckets()
        except BaseException:
            self._forget()
            raise
        if self._log_is_to_go:  # tried again behind each batch while a reader holds on to it
            self._log_is_to_go = not self._cut_log()

    def _cut_log(self) -> bool:
        driver = self._connection.connection.driver_connection
        return not isinstance(driver, sqlite3.Connection) or cut_log(driver)

    def restore_file(self, file_watch: FileWatch) -> None:
        """Put the database back in its place; see FileWatch.restore_file."""
        file_watch.restore_file(self._connection)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _forget(self) -> None:
        self._runs: dict[str, RunFacts] = {}
        self._metric_ids: dict[str, int] = {}
        self._late: dict[str, set[int]] = {}  # run → starts of closed buckets that changed

    def _carry_out(self, write: Write) -> None:
        match write:
            case Columns():
                self._add_columns(write)
            case Points():
                self._add_points(write.run, write.session, write.points)
            case Insert():
                self._connection.execute(sa.insert(write.table), list(write.rows))
            case Put():
                self._put(write.table, write.key, write.values, write.fresh)
            case Remove():
                self._connection.execute(
                    sa.delete(write.table).where(write.table.c[write.column] < write.below)
                )
            case RemoveSome():
                write.removed[:] = [write.remove(self._connection)]
                self._runs = {}  # what was known of them may be gone
            case StartSession():
                self._start_session(write)
            case CutLog():
                self._log_is_to_go = True

    # ── metrics ──────────────────────────────────────────────────────────────────────────────────

    def _add_columns(self, write: Columns) -> None:
        steps = [int(step) for step in write.columns["step"] if step is not None]
        times: list[Any] = list(write.columns["time"])
        run, session = self._session(write.run, write.session)
        self._touch(run, session, min(steps), max(steps), steps)
        hot = [
            _finite(write.columns[name]) if name in write.columns else [None] * len(steps)
            for name in HOT_METRICS
        ]
        rows = list(zip([session.key] * len(steps), steps, times, *hot, strict=True))
        newest = -1 if session.last_row is None else session.last_row
        if steps[0] <= newest or any(map(ge, steps, steps[1:])):
            # Steps seen before: the newest row counts.
            rows = list({row[1]: row for row in rows}.values())
            self._connection.exec_driver_sql(self._delete_row, [row[:2] for row in rows])
        self._connection.exec_driver_sql(self._insert_row, rows)
        session.last_row = max(newest, *steps)
        for name in write.columns.keys() - {"step", "time", *HOT_METRICS}:
            values = _finite(write.columns[name])
            self._add_points(
                write.run, write.session, list(zip([name] * len(steps), steps, times, values, strict=True))
            )

    def _add_points(
        self, run_id: str, number: int, values: Sequence[tuple[str, int, float, float | None]]
    ) -> None:
        if not values:
            return
        run, own = self._session(run_id, number)
        for session, part in _by_owner(run, own, values):
            self._write_points(run, session, part)

    def _write_points(
        self, run: RunFacts, session: SessionFacts, values: Sequence[tuple[str, int, float, float | None]]
    ) -> None:
        if session.last_points is None:
            self._load_newest(session)
        steps = [int(step) for _, step, _, _ in values]
        self._touch(run, session, min(steps), max(steps), steps)
        finite = _finite([value for _, _, _, value in values])
        rows: dict[tuple[int, int, int], tuple[float, float | None]] = {}
        seen_before = []
        newest = session.last_points
        assert newest is not None  # loaded above
        for (name, _, time, _), step, value in zip(values, steps, finite, strict=True):
            metric = self._metric_id(name)
            place = (session.key, metric, step)
            if step <= newest.get(metric, -1):
                seen_before.append(place)
            else:
                newest[metric] = step
            rows[place] = (time, value)
        if seen_before:
            self._connection.exec_driver_sql(self._delete_point, seen_before)
        self._connection.exec_driver_sql(
            self._insert_point, [(*place, *rest) for place, rest in rows.items()]
        )

    def _touch(self, run: RunFacts, session: SessionFacts, low: int, high: int, steps: list[int]) -> None:
        """Note what rows at `steps` change: the session's ends, and which closed buckets are true no more."""
        if session.first_step is None or low < session.first_step:
            session.first_step = low
            self._put(sessions, {"key": session.key}, {"first_step": low}, None)
            self._rollups.supersede(run, low, self._ids())
        if session.last_step is None or high > session.last_step:
            session.last_step = high
            self._connection.exec_driver_sql(self._mark_last, (high, run.id, session.number))
        late = self._late.setdefault(run.id, set())
        if low < run.rolled_to:
            late.update(step // FINE * FINE for step in steps if step < run.rolled_to)

    def _close_buckets(self) -> None:
        for run_id, late in self._late.items():
            run = self._runs[run_id]
            if late or run.newest_step() + 1 >= run.rolled_to + FINE:
                # A bucket may have been superseded after it was touched.
                self._rollups.close(run, {start for start in late if start < run.rolled_to}, self._ids())
        self._late = {}

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────

    def _start_session(self, write: StartSession) -> None:
        run = self._run(write.run)
        values = {"started_at": self._clock(), **write.values}
        self._put(sessions, {"run": write.run, "number": write.number}, values, {})
        self._put(runs, {"id": write.run}, {"session": write.number}, None)
        run.sessions = self._load_sessions(write.run)
        first_step = write.values.get("first_step")
        if first_step is not None:
            self._rollups.supersede(run, first_step, self._ids())

    def _session(self, run_id: str, number: int) -> tuple[RunFacts, SessionFacts]:
        run = self._run(run_id)
        if number not in run.sessions:
            # Rows came before their session was announced: it begins with them.
            self._start_session(StartSession(run=run_id, number=number))
        session = run.sessions[number]
        if session.last_points is None:
            self._load_newest(session)
        return run, session

    def _run(self, run_id: str) -> RunFacts:
        if run_id not in self._runs:
            row = self._connection.execute(
                sa.select(runs.c.key, runs.c.rolled_to).where(runs.c.id == run_id)
            ).one_or_none()
            if row is None:
                raise UnknownRunError(f"no run {run_id} to write metrics for")
            self._runs[run_id] = RunFacts(run_id, row.key, row.rolled_to, self._load_sessions(run_id))
        return self._runs[run_id]

    def _load_sessions(self, run_id: str) -> dict[int, SessionFacts]:
        chosen = sa.select(sessions).where(sessions.c.run == run_id).order_by(sessions.c.number)
        return {
            row.number: SessionFacts(row.key, row.number, row.first_step, row.last_step)
            for row in self._connection.execute(chosen).all()
        }

    def _load_newest(self, session: SessionFacts) -> None:
        """How far each kind of row of a session has come; a row at or before it was seen before."""
        last = sa.select(sa.func.max(metrics.c.step)).where(metrics.c.session == session.key)
        session.last_row = self._connection.execute(last).scalar()
        session.last_points = {}
        for metric in self._ids().values():
            of_metric = points.c.session == session.key, points.c.metric == metric
            step = self._connection.execute(sa.select(sa.func.max(points.c.step)).where(*of_metric)).scalar()
            if step is not None:
                session.last_points[metric] = step

    def _ids(self) -> dict[str, int]:
        """Ids of all metrics; the hot ones have theirs from the first time on."""
        if not self._metric_ids:
            ids = {row.name: row.id for row in self._connection.execute(sa.select(metric_names))}
            for name in HOT_METRICS:
                ids[name] = ids.get(name) or self._new_metric(name)
            self._metric_ids = ids
        return self._metric_ids

    def _metric_id(self, name: str) -> int:
        ids = self._ids()
        if name not in ids:
            ids[name] = self._new_metric(name)
        return ids[name]

    def _new_metric(self, name: str) -> int:
        key = self._connection.execute(sa.insert(metric_names).values(name=name)).inserted_primary_key
        assert key is not None
        return int(key[0])

    # ── everything else ──────────────────────────────────────────────────────────────────────────

    def _put(
        self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any], fresh: Mapping[str, Any] | None
    ) -> None:
        here = sa.and_(*(table.c[name] == value for name, value in key.items()))
        if values:
            found = self._connection.execute(sa.update(table).where(here).values(**values)).rowcount
        else:
            found = len(
                self._connection.execute(sa.select(sa.literal(1)).select_from(table).where(here)).all()
            )
        if not found and fresh is not None:
            self._connection.execute(sa.insert(table).values({**fresh, **key, **values}))


def _by_owner(
    run: RunFacts, own: SessionFacts, values: Sequence[tuple[str, int, float, float | None]]
) -> list[tuple[SessionFacts, list[tuple[str, int, float, float | None]]]]:
    """Points of a session by the session that counts for their steps.

    A trainer that resumed at step 30 may report values of step 30 before it takes its first step, 31: how long
    a save took, a held-out loss. That belongs to the life in which step 30 was learned; taken as this session's
    own, it would supersede the step.
    """
    earlier = [] if own.first_step is None else run.before(own.number)
    parts: dict[int, list[tuple[str, int, float, float | None]]] = {}
    owners = {own.key: own}
    for point in values:
        owner = own
        if earlier and own.first_step is not None and point[1] < own.first_step:
            # The newest that has the step; a fork has none, its first session begins where its parent was.
            owner = next((life for life in earlier if (life.first_step or 0) <= point[1]), own)
        owners[owner.key] = owner
        parts.setdefault(owner.key, []).append(point)
    return [(owners[key], part) for key, part in parts.items()]


def _coalesced(batch: list[Write]) -> list[Write]:
    """The batch with inserts of one table, and columns and points of one session, merged.

    Order is kept where it matters: changes of rows stay where they are, and nothing is moved across the start
    of a session or a removal. (Changes of one row were merged while they waited.)
    """
    kept: list[Write] = []
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for number, write in enumerate(batch):
        match write:
            case Put():
                place: tuple[Any, ...] = ("put", number)
            case Insert(table=table):
                place = ("insert", table.name)
            case Columns(run=run, session=session):
                place = ("columns", run, session)
            case Points(run=run, session=session):
                place = ("points", run, session)
            case _:
                kept += map(_join, groups.values())
                kept.append(write)
                groups = {}
                continue
        if isinstance(write, Columns) and place in groups and not _alike(groups[place][0], write):
            kept += map(_join, groups.values())
            groups = {}
        groups.setdefault(place, []).append(write)
    return kept + [_join(group) for group in groups.values()]


def _alike(one: Columns, other: Columns) -> bool:
    return one.columns.keys() == other.columns.keys()


def _join(group: list[Any]) -> Write:
    """One order of several of the same kind and place."""
    first = group[0]
    if len(group) == 1:
        return cast("Write", first)
    match first:
        case Insert():
            return replace(first, rows=[row for insert in group for row in insert.rows])
        case Columns():
            return replace(first, columns={name: _chained(group, name) for name in first.columns})
        case _:
            return Points(
                run=first.run,
                session=first.session,
                points=[point for item in group for point in item.points],
            )


def _chained(group: list[Columns], name: str) -> list[float | None]:
    return [value for columns in group for value in columns.columns[name]]


def _finite(values: Sequence[float | None]) -> Sequence[float | None]:
    """The values with null for what is not a number; usually all are finite and come back as they are."""
    try:
        if math.isfinite(sum(values)):  # type: ignore[arg-type]  # None raises, which is the point
            return values
    except TypeError:
        pass
    return [value if value is not None and math.isfinite(value) else None for value in values]
