"""Curves: metrics of a run over steps, in at most as many buckets as asked for.

The bucket width follows from the steps asked for. Wide buckets are merged from rollups, their ragged ends
and whatever is not rolled up yet from finer levels, so every bucket is exact in what it says: a spike of
one step among millions is in some bucket's min or max. Rows touched: at most about 100 for each bucket
given, whatever the length of the run (beyond 10 000 × 100 steps a bucket nothing coarser is kept).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection

from daemon.errors import UsageError
from daemon.protocol import HOT_METRICS
from daemon.store.rollups import COARSE, FINE, Bucket, Span, merge, summarise, valid_spans
from daemon.store.tables import metric_names, metrics, points, rollups, runs, sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_POINTS = 20_000


@dataclass
class Touched:
    """How many rows a question read; what a test bounds instead of the time."""

    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which part of a curve, and how fine.

    Attributes:
        start: first step wanted; None from the beginning.
        end: last step wanted; None up to the newest.
        num_points: most buckets of a metric.
    """

    start: int | None = None
    end: int | None = None
    num_points: int = 1000


@dataclass(frozen=True)
class Source:
    """Where the rows of one run are: valid spans, and how far rollups are whole."""

    run: int
    rolled_to: int
    sessions: list[tuple[int, int | None]]
    end: int  # one past the newest step

    def spans(self, start: int, end: int) -> list[Span]:
        """The valid spans within [start, end)."""
        return valid_spans(self.sessions, start, end)


def read_series(
    connection: Connection,
    run: str,
    names: Sequence[str],
    window: Window,
    touched: Touched,
) -> dict[str, Any] | None:
    """A Series as the API describes it; None when there is no such run.

    A metric that was never written has empty columns. `touched` counts the rows read.
    """
    start, end, num_points = window.start, window.end, window.num_points
    if not 1 <= num_points <= MAX_POINTS:
        raise UsageError(f"points is {num_points}; it must be between 1 and {MAX_POINTS}")
    source = _source(connection, run)
    if source is None:
        return None
    first = max(start if start is not None else 0, _first_step(source))
    last = min(end + 1 if end is not None else source.end, source.end)
    width = bucket_width(first, last, num_points)
    known = {
        row.name: row.id
        for row in connection.execute(sa.select(metric_names).where(metric_names.c.name.in_(names)))
    }
    columns: dict[str, dict[str, list[Any]]] = {}
    resolution = 1
    exact = True
    for name in dict.fromkeys(names):
        buckets: list[Bucket] = []
        if name in known and first < last:
            reader = _Reader(connection, source, name, known[name], touched)
            buckets, used = reader.read(first, last, width, num_points)
            resolution = max(resolution, used)
        columns[name] = _columns(buckets)
        exact = exact and all(bucket.n == 1 for bucket in buckets)
    return {"run": run, "exact": exact, "resolution": resolution, "metrics": columns}


def bucket_width(start: int, end: int, num_points: int) -> int:
    """Steps of a bucket so that [start, end) touches at most `num_points`; a multiple of its level.

    >>> bucket_width(0, 1000, 1000), bucket_width(1, 1_000_001, 1000), bucket_width(0, 150, 100)
    (1, 1100, 2)
    """
    width = max(1, -(-(end - start) // num_points))
    while True:
        level = 1 if width < FINE else FINE if width < COARSE else COARSE
        width = -(-width // level) * level
        if (end - 1) // width - start // width < num_points:
            return width
        width += level


class _Reader:
    """Buckets of one metric, from the coarsest rows that serve."""

    def __init__(
        self, connection: Connection, source: Source, name: str, metric: int, touched: Touched
    ) -> None:
        self._connection = connection
        self._source = source
        self._name = name
        self._metric = metric
        self._touched = touched

    def read(self, start: int, end: int, width: int, num_points: int) -> tuple[list[Bucket], int]:
        """Buckets over [start, end) and the width used: single steps where they fit, `width` otherwise."""
        if width > 1 and self._name not in HOT_METRICS:
            # A sparse metric may have few values in many steps.
            rows = self._raw(start, end, limit=num_points + 1)
            if len(rows) <= num_points:
                return _summarised(rows, 1), 1
        if width < FINE:
            return _summarised(self._raw(start, end), width), width
        return merge(self._fine(start, end) if width < COARSE else self._coarse(start, end), width), width

    def _coarse(self, start: int, end: int) -> list[Bucket]:
        low, high = -(-start // COARSE) * COARSE, min(end, self._source.rolled_to) // COARSE * COARSE
        if low >= high:
            return self._fine(start, end)
        return [*self._fine(start, low), *self._rolled(COARSE, low, high), *self._fine(high, end)]

    def _fine(self, start: int, end: int) -> list[Bucket]:
        low, high = -(-start // FINE) * FINE, min(end, self._source.rolled_to) // FINE * FINE
        if low >= high:
            return _summarised(self._raw(start, end), FINE)
        return [
            *_summarised(self._raw(start, low), FINE),
            *self._rolled(FINE, low, high),
            *_summarised(self._raw(high, end), FINE),
        ]

    def _rolled(self, level: int, start: int, end: int) -> list[Bucket]:
        table = rollups.c
        wanted = (
            sa.select(*(table[name] for name in Bucket._fields))
            .where(table.run == self._source.run, table.metric == self._metric, table.level == level)
            .where(table.start >= start, table.start < end)
            .order_by(table.start)
        )
        rows = self._connection.execute(wanted).all()
        self._touched.rows += len(rows)
        return [Bucket(*row) for row in rows]

    def _raw(self, start: int, end: int, limit: int | None = None) -> list[tuple[int, float, float]]:
        found: list[tuple[int, float, float]] = []
        for span in self._source.spans(start, end):
            rows = self._connection.execute(self._raw_of(span).limit(limit)).all()
            self._touched.rows += len(rows)
            found += [(step, time, value) for step, time, value in rows]
            if limit is not None and len(found) >= limit:
                break
        return found

    def _raw_of(self, span: Span) -> sa.Select[Any]:
        if self._name in HOT_METRICS:
            value = metrics.c[self._name]
            wanted = sa.select(metrics.c.step, metrics.c.time, value).where(metrics.c.session == span.session)
            step = metrics.c.step
        else:
            value, step = points.c.value, points.c.step
            wanted = sa.select(step, points.c.time, value).where(
                points.c.session == span.session, points.c.metric == self._metric
            )
        return wanted.where(step >= span.start, step < span.end, value.is_not(None)).order_by(step)


def _summarised(rows: list[tuple[int, float, float]], width: int) -> list[Bucket]:
    if not rows:
        return []
    steps, times, values = zip(*rows, strict=True)
    return summarise(steps, times, values, width)


def _source(connection: Connection, run: str) -> Source | None:
    row = connection.execute(sa.select(runs.c.key, runs.c.rolled_to).where(runs.c.id == run)).one_or_none()
    if row is None:
        return None
    wanted = (
        sa.select(sessions.c.key, sessions.c.first_step, sessions.c.last_step)
        .where(sessions.c.run == run)
        .order_by(sessions.c.number)
    )
    lives = connection.execute(wanted).all()
    end = 0
    for life in reversed(lives):
        if life.first_step is not None:
            # The newest life that began decides where the curve ends, as in the writer.
            end = life.first_step if life.last_step is None else life.last_step + 1
            break
    return Source(row.key, row.rolled_to, [(life.key, life.first_step) for life in lives], end)


def _first_step(source: Source) -> int:
    return min((first for _, first in source.sessions if first is not None), default=0)


def _columns(buckets: list[Bucket]) -> dict[str, list[Any]]:
    fields = ("step", "time", "min", "max", "mean", "last", "n")
    return {field: [getattr(bucket, field) for bucket in buckets] for field in fields}
