"""Deleting rows: all of a deleted run, and the oldest beyond a bound; some at a time, so that no writer waits long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from daemon.store.tables import (
    alarms,
    checkpoints,
    evaluations,
    events,
    forgetting,
    metrics,
    operations,
    points,
    readings,
    rollups,
    runs,
    sessions,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from daemon.store.thinning import Doomed

ROWS_AT_A_TIME = 20_000


def remove_of_run(connection: Connection, run: str, limit: int = ROWS_AT_A_TIME) -> int:
    """Delete at most `limit` rows of a run; 0 once none is left. Its own row goes last, so until then it is there."""
    own_sessions = sa.select(sessions.c.key).where(sessions.c.run == run)
    own_key = sa.select(runs.c.key).where(runs.c.id == run)
    for table, own in (
        (points, points.c.session.in_(own_sessions)),
        (metrics, metrics.c.session.in_(own_sessions)),
        (rollups, rollups.c.run.in_(own_key)),
        *((table, table.c.run == run) for table in _OF_A_RUN),
        (runs, runs.c.id == run),
    ):
        if deleted := remove_some(connection, table, own, limit=limit):
            return deleted
    return 0


def remove_some(
    connection: Connection,
    table: Table,
    condition: sa.ColumnElement[bool],
    *,
    limit: int = ROWS_AT_A_TIME,
) -> int:
    """Delete at most `limit` of the rows that fit; how many."""
    key = list(table.primary_key.columns)
    chosen = sa.select(*key).where(condition).limit(limit)
    place = key[0] if len(key) == 1 else sa.tuple_(*key)
    return connection.execute(sa.delete(table).where(place.in_(chosen))).rowcount


def remove_fitting(connection: Connection, doomed: Doomed) -> int:
    """Delete some of the rows of a plan."""
    return remove_some(connection, doomed.table, doomed.condition)


# Tables whose rows name their run; sessions last, for rows of metrics are found through them.
_OF_A_RUN = (readings, evaluations, forgetting, events, operations, alarms, checkpoints, sessions)
