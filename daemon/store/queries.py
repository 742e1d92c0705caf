"""Questions to the database, each answered on a read connection with plain dicts in the shapes of the API.

Rows of vital signs and evaluations that a later session superseded are left out; events, checkpoints and
operations are facts that happened, and stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Select, Table

from daemon.store.paging import Page, checked_limit, decode_cursor, encode_cursor
from daemon.store.tables import (
    alarms,
    answers,
    checkpoints,
    evaluations,
    events,
    jobs,
    operations,
    readings,
    runs,
    sessions,
)

if TYPE_CHECKING:
    from collections.abc import Collection

NOT_IN_LISTS = ("config", "sources")


def read_runs(
    connection: Connection, *, cursor: str | None, limit: int, states: Collection[str] | None
) -> Page:
    """Runs, newest first, without their long columns."""
    wanted = sa.select(runs).order_by(runs.c.key.desc())
    if states is not None:
        wanted = wanted.where(runs.c.state.in_(states))
    if cursor is not None:
        wanted = wanted.where(runs.c.key < decode_cursor(cursor, "before")[0])
    rows, more = _some(connection, wanted, limit)
    items = [{name: value for name, value in _run(row).items() if name not in NOT_IN_LISTS} for row in rows]
    return Page(items, encode_cursor({"before": rows[-1].key}) if more else None)


def read_run(connection: Connection, run: str) -> dict[str, Any] | None:
    """One run in full."""
    row = connection.execute(sa.select(runs).where(runs.c.id == run)).one_or_none()
    return None if row is None else _run(row)


def read_sessions(connection: Connection, run: str) -> list[dict[str, Any]]:
    """The lives of a run's trainer, oldest first."""
    wanted = sa.select(sessions).where(sessions.c.run == run).order_by(sessions.c.number)
    return [_without(row, "key") for row in connection.execute(wanted)]


def read_events(
    connection: Connection,
    *,
    run: str | None,
    after: int | None,
    before: int | None,
    kinds: Collection[str] | None,
    cursor: str | None,
    limit: int,
) -> Page:
    """Events, newest first; after a sequence number, oldest first."""
    if cursor is not None:
        direction, place = decode_cursor(cursor, "to", "seq")
        after, before = (int(place), before) if direction == "newer" else (after, int(place))
    wanted = sa.select(events)
    if run is not None:
        wanted = wanted.where(events.c.run == run)
    if kinds is not None:
        wanted = wanted.where(events.c.kind.in_(kinds))
    if before is not None:
        wanted = wanted.where(events.c.seq < before)
    if after is not None:
        wanted = wanted.where(events.c.seq > after)
    wanted = wanted.order_by(events.c.seq.desc() if after is None else events.c.seq)
    rows, more = _some(connection, wanted, limit)
    following = {"to": "older" if after is None else "newer", "seq": rows[-1].seq} if more else None
    return Page([dict(row._mapping) for row in rows], encode_cursor(following) if following else None)


def read_checkpoints(
    connection: Connection, *, run: str | None, cursor: str | None, limit: int, deleted: bool
) -> Page:
    """Checkpoints, newest first; deleted ones only when asked for."""
    table = checkpoints.c
    wanted = sa.select(checkpoints).order_by(table.created_at.desc(), table.name.desc())
    if run is not None:
        wanted = wanted.where(table.run == run)
    if not deleted:
        wanted = wanted.where(table.deleted_at.is_(None))
    if cursor is not None:
        moment, name = decode_cursor(cursor, "time", "name")
        wanted = wanted.where(
            sa.or_(table.created_at < moment, sa.and_(table.created_at == moment, table.name < name))
        )
    rows, more = _some(connection, wanted, limit)
    following = {"time": rows[-1].created_at, "name": rows[-1].name} if more else None
    return Page([_checkpoint(row) for row in rows], encode_cursor(following) if following else None)


def read_checkpoint(connection: Connection, name: str) -> dict[str, Any] | None:
    """One checkpoint, deleted or not."""
    row = connection.execute(sa.select(checkpoints).where(checkpoints.c.name == name)).one_or_none()
    return None if row is None else _checkpoint(row)


def read_operations(connection: Connection, *, run: str | None, cursor: str | None, limit: int) -> Page:
    """Operations, newest first."""
    return _by_time(connection, operations, operations.c.created_at, run=run, cursor=cursor, limit=limit)


def read_operation(connection: Connection, operation: str) -> dict[str, Any] | None:
    """One operation."""
    row = connection.execute(sa.select(operations).where(operations.c.id == operation)).one_or_none()
    return None if row is None else dict(row._mapping)


def read_alarms(
    connection: Connection, *, run: str | None, active: bool, cursor: str | None, limit: int
) -> Page:
    """Alarms, newest first; `active` leaves out those that cleared."""
    still = alarms.c.cleared_at.is_(None) if active else None
    return _by_time(
        connection, alarms, alarms.c.raised_at, run=run, cursor=cursor, limit=limit, condition=still
    )


def read_alarm(connection: Connection, alarm: str) -> dict[str, Any] | None:
    """One alarm."""
    row = connection.execute(sa.select(alarms).where(alarms.c.id == alarm)).one_or_none()
    return None if row is None else dict(row._mapping)


def read_readings(
    connection: Connection, run: str, *, name: str | None, cursor: str | None, limit: int
) -> Page:
    """Measurements of vital signs, newest first."""
    wanted = sa.select(readings).where(readings.c.run == run, not_superseded(readings))
    if name is not None:
        wanted = wanted.where(readings.c.name == name)
    return _by_step(connection, readings, wanted, cursor, limit)


def read_evaluations(
    connection: Connection, run: str, *, source: str | None, cursor: str | None, limit: int
) -> Page:
    """Held-out losses, newest first."""
    wanted = sa.select(evaluations).where(evaluations.c.run == run, not_superseded(evaluations))
    if source is not None:
        wanted = wanted.where(evaluations.c.source == source)
    return _by_step(connection, evaluations, wanted, cursor, limit)


def read_answer(connection: Connection, key: str, endpoint: str) -> dict[str, Any] | None:
    """What a POST with this Idempotency-Key was answered."""
    row = connection.execute(
        sa.select(answers).where(answers.c.key == key, answers.c.endpoint == endpoint)
    ).one_or_none()
    return None if row is None else dict(row._mapping)


def read_jobs(connection: Connection) -> dict[str, dict[str, Any]]:
    """What is kept of each job of the schedule, by its name."""
    return {row.job: dict(row._mapping) for row in connection.execute(sa.select(jobs))}


def _run(row: Row[Any]) -> dict[str, Any]:
    found = _without(row, "key", "rolled_to", "parent_run", "parent_step")
    parent = None if row.parent_run is None else {"run": row.parent_run, "step": row.parent_step}
    limits = (row.config or {}).get("limits") or {}
    return {
        **found,
        "parent": parent,
        "limits": {name: limits.get(name) for name in ("hours", "steps", "epochs")},
    }


def _checkpoint(row: Row[Any]) -> dict[str, Any]:
    return {"id": row.name, **row._mapping}


def _without(row: Row[Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in names}


def not_superseded(table: Table) -> sa.ColumnElement[bool]:
    """A row counts unless a later session began at or before its step."""
    return ~(
        sa.exists()
        .where(sessions.c.run == table.c.run, sessions.c.number > table.c.session)
        .where(sessions.c.first_step <= table.c.step)
        .correlate(table)
    )


def _by_step(
    connection: Connection, table: Table, wanted: Select[Any], cursor: str | None, limit: int
) -> Page:
    if cursor is not None:
        step, key = decode_cursor(cursor, "step", "key")
        wanted = wanted.where(sa.or_(table.c.step < step, sa.and_(table.c.step == step, table.c.key < key)))
    rows, more = _some(connection, wanted.order_by(table.c.step.desc(), table.c.key.desc()), limit)
    following = {"step": rows[-1].step, "key": rows[-1].key} if more else None
    return Page(
        [_without(row, "key", "run") for row in rows], encode_cursor(following) if following else None
    )


def _by_time(
    connection: Connection,
    table: Table,
    moment: sa.Column[Any],
    *,
    run: str | None,
    cursor: str | None,
    limit: int,
    condition: sa.ColumnElement[bool] | None = None,
) -> Page:
    wanted = sa.select(table).order_by(moment.desc(), table.c.id.desc())
    if run is not None:
        wanted = wanted.where(table.c.run == run)
    if condition is not None:
        wanted = wanted.where(condition)
    if cursor is not None:
        time, name = decode_cursor(cursor, "time", "id")
        wanted = wanted.where(sa.or_(moment < time, sa.and_(moment == time, table.c.id < name)))
    rows, more = _some(connection, wanted, limit)
    following = {"time": rows[-1]._mapping[moment.name], "id": rows[-1].id} if more else None
    return Page([dict(row._mapping) for row in rows], encode_cursor(following) if following else None)


def _some(connection: Connection, wanted: Select[Any], limit: int) -> tuple[list[Row[Any]], bool]:
    """At most `limit` rows, and whether there are more."""
    rows = list(connection.execute(wanted.limit(checked_limit(limit) + 1)))
    return rows[:limit], len(rows) > limit
