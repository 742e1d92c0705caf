"""Which rows are deleted when there are too many: single steps that rollups stand for, fine rollups, old history.

A plan names conditions; whoever writes deletes what fits them, some at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from daemon.store.floors import raw_floor
from daemon.store.rollups import COARSE, FINE, valid_spans
from daemon.store.tables import (
    alarms,
    checkpoints,
    evaluations,
    events,
    forgetting,
    metric_names,
    metrics,
    operations,
    points,
    readings,
    rollups,
    runs,
    sessions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Table

# The newest steps of a run keep their rows as long as older rows, of any run, can go instead.
SPARED_STEPS = 10_000


@dataclass(frozen=True)
class Doomed:
    """Rows of a table to delete."""

    table: Table
    condition: sa.ColumnElement[bool]


@dataclass(frozen=True)
class _Run:
    key: int
    rolled_to: int
    sessions: list[tuple[int, int | None]]  # key and first step, in order


# Each table of history: the column that orders it, and what of it may go.
_HISTORY: tuple[tuple[Table, sa.Column[Any], sa.ColumnElement[bool]], ...] = (
    (events, events.c.seq, sa.true()),
    (readings, readings.c.key, sa.true()),
    (evaluations, evaluations.c.key, sa.true()),
    (forgetting, forgetting.c.key, sa.true()),
    (operations, operations.c.created_at, sa.true()),
    (alarms, alarms.c.raised_at, alarms.c.cleared_at.is_not(None)),
    (checkpoints, checkpoints.c.deleted_at, checkpoints.c.deleted_at.is_not(None)),
)


def plan_history(connection: Connection, max_rows: int) -> Iterator[Doomed]:
    """The oldest rows of each table of history beyond `max_rows`; raised alarms and checkpoints on disk stay."""
    for table, order, may_go in _HISTORY:
        newest_first = sa.select(order).where(may_go).order_by(order.desc()).offset(max_rows).limit(1)
        edge = connection.execute(newest_first).scalar()
        if edge is not None:
            yield Doomed(table, sa.and_(may_go, order <= edge))


def plan_rows(connection: Connection, max_rows: int) -> Iterator[Doomed]:
    """Rows of single steps beyond `max_rows` of each kind, the oldest runs' first, where rollups stand for them."""
    known = _runs(connection)
    ids = list(connection.execute(sa.select(metric_names.c.id)).scalars())
    for table in (metrics, points):
        counted = sa.select(table.c.session, sa.func.count()).group_by(table.c.session)
        counts = {int(session): int(count) for session, count in connection.execute(counted).all()}
        excess = sum(counts.values()) - max_rows
        cuts: dict[int, int] = {}
        for spared in (SPARED_STEPS, 0):
            for run in known:
                limit = (run.rolled_to - spared) // FINE * FINE
                for session, _ in run.sessions:
                    if excess <= 0 or session not in counts:
                        continue
                    before = cuts.get(session, 0)
                    cut, taken = _cut(connection, table, session, (before, limit), excess)
                    if taken:
                        cuts[session] = cut
                        excess -= taken
        for session, cut in cuts.items():
            if table is metrics:
                yield Doomed(table, sa.and_(table.c.session == session, table.c.step < cut))
            else:
                for metric in ids:
                    own = table.c.session == session, table.c.metric == metric, table.c.step < cut
                    yield Doomed(table, sa.and_(*own))


def _cut(
    connection: Connection, table: Table, session: int, between: tuple[int, int], excess: int
) -> tuple[int, int]:
    """Up to which step a session is to be thinned, and how many rows that are; no further than `between` allows."""
    before, limit = between
    own = table.c.session == session, table.c.step >= before, table.c.step < limit
    count = connection.execute(sa.select(sa.func.count()).select_from(table).where(*own)).scalar() or 0
    if count <= excess:
        return limit, count
    nth = sa.select(table.c.step).where(*own).order_by(table.c.step).offset(excess).limit(1)
    step = int(connection.execute(nth).scalar() or 0)
    cut = min(-(-step // FINE) * FINE, limit)  # a bucket is thinned whole
    below = sa.select(sa.func.count()).select_from(table).where(*own, table.c.step < cut)
    return cut, connection.execute(below).scalar() or 0


def plan_rollups(connection: Connection, max_rows: int) -> Iterator[Doomed]:
    """Fine rollups beyond `max_rows`, the oldest runs' first, where coarse ones stand for them and no row is left."""
    table = rollups.c
    counted = sa.select(table.run, table.metric, sa.func.count()).where(table.level == FINE)
    counts: dict[int, dict[int, int]] = {}
    for run_key, metric, count in connection.execute(counted.group_by(table.run, table.metric)).all():
        counts.setdefault(int(run_key), {})[int(metric)] = int(count)
    excess = sum(sum(of_run.values()) for of_run in counts.values()) - max_rows
    for run in _runs(connection):
        spans = valid_spans(run.sessions, 0, 2**62)
        wide = raw_floor(connection, spans, run.rolled_to, None)
        for metric in counts.get(run.key, {}):
            if excess <= 0:
                return
            sparse = raw_floor(connection, spans, run.rolled_to, metric)
            cut = min(wide, sparse) // COARSE * COARSE
            own = table.run == run.key, table.metric == metric, table.level == FINE, table.start < cut
            found = (
                connection.execute(sa.select(sa.func.count()).select_from(rollups).where(*own)).scalar() or 0
            )
            if found:
                excess -= found
                yield Doomed(rollups, sa.and_(*own))


def _runs(connection: Connection) -> list[_Run]:
    """Every run with its sessions, oldest first."""
    lives: dict[str, list[tuple[int, int | None]]] = {}
    wanted = sa.select(sessions.c.run, sessions.c.key, sessions.c.first_step).order_by(sessions.c.number)
    for run, key, first_step in connection.execute(wanted).all():
        lives.setdefault(run, []).append((key, first_step))
    chosen = sa.select(runs.c.key, runs.c.id, runs.c.rolled_to).order_by(runs.c.key)
    return [_Run(row.key, row.rolled_to, lives.get(row.id, [])) for row in connection.execute(chosen).all()]
