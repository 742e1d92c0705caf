"""Curves: metrics of a run over steps, in at most as many buckets as asked for.

The bucket width follows from the steps asked for. Wide buckets are merged from rollups, their ragged ends
and whatever is not rolled up yet from finer levels, so every bucket is exact: a spike of
one step among millions is in some bucket's min or max. Rows touched: at most about 100 for each bucket
given, whatever the length of the run (beyond 10 000 × 100 steps a bucket nothing coarser is kept). Where
single rows were thinned (daemon.store.thinning), rollups stand for them: coarser, with every spike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from daemon.errors import UsageError
from daemon.store.floors import fine_floor, raw_floor
from daemon.store.rollups import COARSE, FINE, Bucket, Span, merge, summarise, valid_spans
from daemon.store.tables import metric_names, metrics, points, rollups, runs, sessions
from daemon.trainer_protocol import HOT_METRICS

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
    chosen = sa.select(metric_names).where(metric_names.c.name.in_(names))
    known = {row.name: row.id for row in connection.execute(chosen)}
    reader = _Reader(connection, source, [name for name in HOT_METRICS if name in names], touched)
    columns: dict[str, dict[str, list[Any]]] = {}
    resolution = 1
    exact = True
    for name in dict.fromkeys(names):
        buckets: list[Bucket] = []
        if name in known and first < last:
            buckets, used = reader.read(name, known[name], Stretch(first, last, width), num_points)
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


class Stretch(NamedTuple):
    """Steps [start, end) in buckets of `width`."""

    start: int
    end: int
    width: int


class Raw(NamedTuple):
    """Raw values in order of steps; columns of equal length."""

    steps: Sequence[int]
    times: Sequence[float]
    values: Sequence[float | None]


class _Reader:
    """Buckets of metrics, from the coarsest rows that serve; wide rows are read once for all hot metrics."""

    def __init__(self, connection: Connection, source: Source, hot: list[str], touched: Touched) -> None:
        self._connection = connection
        self._source = source
        self._hot = hot
        self._touched = touched
        self._wide: dict[tuple[int, int], dict[str, Raw]] = {}
        self._floors: dict[int | None, int] = {}

    def read(self, name: str, metric: int, stretch: Stretch, num_points: int) -> tuple[list[Bucket], int]:
        """Buckets of a metric and the width used: single steps where they fit, the stretch's otherwise.

        What was thinned comes from rollups, however fine the stretch.
        """
        start, end, width = stretch
        floor = self._raw_floor(name, metric)
        if start >= floor:
            return self._read_whole(name, metric, stretch, num_points)
        old = self._thinned(metric, start // FINE * FINE, min(floor, -(-end // FINE) * FINE), width)
        merged = merge(old, width)
        level = COARSE if start < self._fine_floor(metric) else FINE
        used = max(width, level) if old else 1
        if floor >= end:
            return merged, used
        whole = Stretch(floor, end, width)
        recent, finer = self._read_whole(name, metric, whole, max(1, num_points - len(merged)))
        if finer == width:
            return merge([*merged, *recent], width), max(used, finer)
        return [*merged, *recent], max(used, finer)

    def _read_whole(
        self, name: str, metric: int, stretch: Stretch, num_points: int
    ) -> tuple[list[Bucket], int]:
        """As `read`, of steps whose own rows are all there."""
        start, end, width = stretch
        if width > 1 and name not in self._hot:
            # A sparse metric may have few values in many steps.
            raw = self._narrow(metric, start, end, limit=num_points + 1)
            if len(raw.steps) <= num_points:
                return summarise(*raw, 1), 1
        if width < FINE:
            return summarise(*self._raw(name, metric, start, end), width), width
        read = self._fine if width < COARSE else self._coarse
        return merge(read(name, metric, start, end), width), width

    def _coarse(self, name: str, metric: int, start: int, end: int) -> list[Bucket]:
        low, high = -(-start // COARSE) * COARSE, min(end, self._source.rolled_to) // COARSE * COARSE
        if low >= high:
            return self._fine(name, metric, start, end)
        return [
            *self._fine(name, metric, start, low),
            *self._rolled(metric, COARSE, low, high),
            *self._fine(name, metric, high, end),
        ]

    def _fine(self, name: str, metric: int, start: int, end: int) -> list[Bucket]:
        low, high = -(-start // FINE) * FINE, min(end, self._source.rolled_to) // FINE * FINE
        if low >= high:
            return summarise(*self._raw(name, metric, start, end), FINE)
        return [
            *summarise(*self._raw(name, metric, start, low), FINE),
            *self._rolled(metric, FINE, low, high),
            *summarise(*self._raw(name, metric, high, end), FINE),
        ]

    def _thinned(self, metric: int, start: int, end: int, width: int) -> list[Bucket]:
        """From rollups alone: fine ones, coarse ones where those are wide enough or all there is."""
        low, high = -(-start // COARSE) * COARSE, end // COARSE * COARSE
        if width < COARSE or low >= high:
            return self._finest(metric, start, end)
        return [
            *self._finest(metric, start, low),
            *self._rolled(metric, COARSE, low, high),
            *self._finest(metric, high, end),
        ]

    def _finest(self, metric: int, start: int, end: int) -> list[Bucket]:
        floor = self._fine_floor(metric)
        coarse = (
            self._rolled(metric, COARSE, start // COARSE * COARSE, min(end, floor)) if start < floor else []
        )
        return [*coarse, *self._rolled(metric, FINE, max(start, floor), end)]

    def _fine_floor(self, metric: int) -> int:
        return fine_floor(self._connection, self._source.run, self._source.rolled_to, metric)

    def _raw_floor(self, name: str, metric: int) -> int:
        key = None if name in self._hot else metric
        if key not in self._floors:
            source = self._source
            spans = source.spans(0, source.end)
            self._floors[key] = raw_floor(self._connection, spans, source.rolled_to, key)
        return self._floors[key]

    def _rolled(self, metric: int, level: int, start: int, end: int) -> list[Bucket]:
        table = rollups.c
        wanted = (
            sa.select(*(table[name] for name in Bucket._fields))
            .where(table.run == self._source.run, table.metric == metric, table.level == level)
            .where(table.start >= start, table.start < end)
            .order_by(table.start)
        )
        rows = self._connection.execute(wanted).all()
        self._touched.rows += len(rows)
        return [Bucket._make(row) for row in rows]

    def _raw(self, name: str, metric: int, start: int, end: int) -> Raw:
        if start >= end:
            return Raw((), (), ())
        if name not in self._hot:
            return self._narrow(metric, start, end)
        if (start, end) not in self._wide:
            self._wide[start, end] = self._wide_rows(start, end)
        return self._wide[start, end][name]

    def _wide_rows(self, start: int, end: int) -> dict[str, Raw]:
        row = metrics.c
        wanted = sa.select(row.step, row.time, *(row[name] for name in self._hot)).order_by(row.step)
        found: list[Any] = []
        for span in self._source.spans(start, end):
            inside = row.session == span.session, row.step >= span.start, row.step < span.end
            found += self._connection.execute(wanted.where(*inside)).all()
        self._touched.rows += len(found)
        steps, times, *columns = zip(*found, strict=True) if found else [()] * (2 + len(self._hot))
        return {name: Raw(steps, times, values) for name, values in zip(self._hot, columns, strict=True)}

    def _narrow(self, metric: int, start: int, end: int, limit: int | None = None) -> Raw:
        point = points.c
        wanted = sa.select(point.step, point.time, point.value).order_by(point.step).limit(limit)
        found: list[Any] = []
        for span in self._source.spans(start, end):
            inside = point.session == span.session, point.step >= span.start, point.step < span.end
            of_metric = point.metric == metric, point.value.is_not(None)
            found += self._connection.execute(wanted.where(*inside, *of_metric)).all()
            if limit is not None and len(found) >= limit:
                break
        self._touched.rows += len(found)
        return Raw(*zip(*found, strict=True)) if found else Raw((), (), ())


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
