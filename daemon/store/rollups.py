"""Rollups: closed buckets of 100 and 10 000 steps, so that a million steps draw in milliseconds.

A bucket is written once, when the run has passed its end, from the valid raw rows themselves; what is not
closed yet is read raw (at most a bucket's worth). So rollups are exact by construction: whatever batches,
restarts or late rows did before, `close` reads the truth. When the past changes (a new session supersedes
steps, a late row arrives) the buckets concerned are rewritten.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

import sqlalchemy as sa

from daemon.store.statements import driver_text
from daemon.store.tables import LEVELS, metrics, points, rollups, runs
from daemon.trainer_protocol import HOT_METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Engine

FINE, COARSE = LEVELS


class Bucket(NamedTuple):
    """What a metric did within some steps; `step` and `time` are those of `last`."""

    start: int
    step: int
    time: float
    min: float
    max: float
    mean: float
    last: float
    n: int


class Span(NamedTuple):
    """Steps [start, end) that count of one session, by its key."""

    session: int
    start: int
    end: int


@dataclass
class SessionFacts:
    """What the writer knows of a session without asking the database again."""

    key: int
    number: int
    first_step: int | None
    last_step: int | None
    last_row: int | None = None  # newest wide row
    last_points: dict[int, int] | None = None  # metric → newest step; None: not looked up


@dataclass
class RunFacts:
    """What the writer knows of a run."""

    id: str
    key: int
    rolled_to: int
    sessions: dict[int, SessionFacts] = field(default_factory=dict)  # by number

    def spans(self, start: int, end: int) -> list[Span]:
        """The valid spans within [start, end), in order of steps."""
        return valid_spans([(s.key, s.first_step) for s in self._in_order()], start, end)

    def newest_step(self) -> int:
        """Last step of the newest session that began to write; -1 when none did."""
        for session in reversed(self._in_order()):
            if session.first_step is not None:
                return session.first_step - 1 if session.last_step is None else session.last_step
        return -1

    def before(self, number: int) -> list[SessionFacts]:
        """Sessions before this one that began to write, newest first."""
        return [s for s in reversed(self._in_order()) if s.number < number and s.first_step is not None]

    def _in_order(self) -> list[SessionFacts]:
        return [self.sessions[number] for number in sorted(self.sessions)]


def valid_spans(sessions: Sequence[tuple[int, int | None]], start: int, end: int) -> list[Span]:
    """Which session counts for which steps of [start, end): a later one wins from its first step on.

    `sessions` are (key, first step) in order of their numbers; one without a first step wrote nothing.

    >>> valid_spans([(1, 0), (2, 50), (3, 40)], 0, 100)
    [Span(session=1, start=0, end=40), Span(session=3, start=40, end=100)]
    """
    spans: list[Span] = []
    for key, first in reversed(sessions):
        if first is not None and max(first, start) < end:
            spans.append(Span(key, max(first, start), end))
            end = max(first, start)
    return spans[::-1]


def summarise(
    steps: Sequence[int], times: Sequence[float], values: Sequence[float | None], width: int
) -> list[Bucket]:
    """Buckets of `width` steps over raw values in order of steps; missing values are skipped.

    >>> summarise([1, 2, 101], [0.1, 0.2, 0.3], [5.0, 7.0, 1.0], 100)[0]
    Bucket(start=0, step=2, time=0.2, min=5.0, max=7.0, mean=6.0, last=7.0, n=2)
    """
    if None in values:
        kept = [index for index, value in enumerate(values) if value is not None]
        steps, times = [steps[i] for i in kept], [times[i] for i in kept]
        values = [values[i] for i in kept]
    present = cast("Sequence[float]", values)
    if width == 1:
        rows = zip(steps, times, present, strict=True)
        return [Bucket(step, step, time, value, value, value, value, 1) for step, time, value in rows]
    buckets: list[Bucket] = []
    low = 0
    while low < len(steps):
        start = steps[low] // width * width
        high = bisect_left(steps, start + width, low)
        inside = present[low:high]
        last = high - 1
        mean = sum(inside) / len(inside)
        buckets.append(
            Bucket(start, steps[last], times[last], min(inside), max(inside), mean, inside[-1], len(inside))
        )
        low = high
    return buckets


def merge(buckets: Iterable[Bucket], width: int) -> list[Bucket]:
    """Wider buckets of narrower ones, which come in order of steps and may share a start."""
    merged: list[Bucket] = []
    for bucket in buckets:
        start = bucket.start // width * width
        if merged and merged[-1].start == start:
            merged[-1] = _join(merged[-1], bucket)
        else:
            merged.append(bucket._replace(start=start))
    return merged


def _join(one: Bucket, other: Bucket) -> Bucket:
    n = one.n + other.n
    later = other if other.step >= one.step else one
    return Bucket(
        start=one.start,
        step=later.step,
        time=later.time,
        min=min(one.min, other.min),
        max=max(one.max, other.max),
        mean=(one.mean * one.n + other.mean * other.n) / n,
        last=later.last,
        n=n,
    )


class Rollups:
    """Keeps the rollups of runs whole below `rolled_to`, on the writer's connection and in its transaction.

    Statements go to the driver as text: they run for every hundred steps.
    """

    def __init__(self, connection: Connection, engine: Engine) -> None:
        self._connection = connection
        row, point, bucket = metrics.c, points.c, rollups.c
        self._read_rows = driver_text(
            sa.select(row.step, row.time, *(row[name] for name in HOT_METRICS))
            .where(row.session == 0, row.step >= 0, row.step < 0)
            .order_by(row.step),
            engine,
        )
        self._read_points = driver_text(
            sa.select(point.metric, point.step, point.time, point.value)
            .where(point.session == 0, point.step >= 0, point.step < 0, sa.text("metric IN ({ids})"))
            .order_by(point.metric, point.step),
            engine,
        )
        self._read_buckets = driver_text(
            sa.select(bucket.metric, *(bucket[name] for name in Bucket._fields))
            .where(bucket.run == 0, bucket.level == 0, bucket.start >= 0, bucket.start < 0)
            .where(sa.text("metric IN ({ids})"))
            .order_by(bucket.metric, bucket.start),
            engine,
        )
        self._insert = driver_text(sa.insert(rollups).inline(), engine, rollups.c.keys())
        passage = bucket.run == 0, bucket.metric == 0, bucket.level == 0, bucket.start >= 0, bucket.start < 0
        self._delete = driver_text(sa.delete(rollups).where(*passage), engine)
        self._advance = driver_text(sa.update(runs).where(runs.c.id == "").values(rolled_to=0), engine)

    def close(self, run: RunFacts, late: set[int], metric_ids: dict[str, int]) -> None:
        """Write the buckets that the run has passed, and rewrite those in `late` (their starts)."""
        rolled_to = run.rolled_to
        passed = (run.newest_step() + 1) // FINE * FINE
        ids = sorted(metric_ids.values())
        for start in sorted(late):
            self._clear(run, ids, FINE, start, start + FINE)
            self._close_fine(run, start, start + FINE, metric_ids)
        if passed > rolled_to:
            self._close_fine(run, rolled_to, passed, metric_ids)
            run.rolled_to = passed
            self._connection.exec_driver_sql(self._advance, (passed, run.id))
        self._close_coarse(run, ids, late, rolled_to)

    def supersede(self, run: RunFacts, step: int, metric_ids: dict[str, int]) -> None:
        """Forget the buckets that hold `step` or come after it; they are read raw until they close again."""
        if step >= run.rolled_to:
            return
        ids = sorted(metric_ids.values())
        for level in LEVELS:
            self._clear(run, ids, level, step // level * level, 2**62)
        run.rolled_to = step // FINE * FINE
        self._connection.exec_driver_sql(self._advance, (run.rolled_to, run.id))

    def _close_fine(self, run: RunFacts, start: int, end: int, metric_ids: dict[str, int]) -> None:
        found: dict[int, list[Bucket]] = {}
        for span in run.spans(start, end):
            rows = self._connection.exec_driver_sql(self._read_rows, tuple(span)).fetchall()
            if rows:
                steps, times, *columns = zip(*rows, strict=True)
                for name, values in zip(HOT_METRICS, columns, strict=True):
                    found.setdefault(metric_ids[name], []).extend(summarise(steps, times, values, FINE))
            for metric, buckets in self._narrow(span, run, metric_ids.values()):
                found.setdefault(metric, []).extend(buckets)
        self._write(run, FINE, {metric: merge(buckets, FINE) for metric, buckets in found.items()})

    def _narrow(self, span: Span, run: RunFacts, ids: Iterable[int]) -> Iterable[tuple[int, list[Bucket]]]:
        session = next(s for s in run.sessions.values() if s.key == span.session)
        wanted = ids if session.last_points is None else session.last_points.keys()
        if not wanted:
            return
        statement = self._read_points.format(ids=_listed(wanted))
        rows = self._connection.exec_driver_sql(statement, tuple(span)).fetchall()
        by_metric: dict[int, list[tuple[int, float, float | None]]] = {}
        for metric, step, time, value in rows:
            by_metric.setdefault(metric, []).append((step, time, value))
        for metric, triples in by_metric.items():
            steps, times, values = zip(*triples, strict=True)
            yield metric, summarise(steps, times, values, FINE)

    def _close_coarse(self, run: RunFacts, ids: list[int], late: set[int], rolled_before: int) -> None:
        passed_before, passed = rolled_before // COARSE * COARSE, run.rolled_to // COARSE * COARSE
        starts = {start // COARSE * COARSE for start in late} | set(range(passed_before, passed, COARSE))
        for start in sorted(starts):
            if start >= passed:
                continue
            if start < passed_before:
                self._clear(run, ids, COARSE, start, start + COARSE)
            statement = self._read_buckets.format(ids=_listed(ids))
            rows = self._connection.exec_driver_sql(
                statement, (run.key, FINE, start, start + COARSE)
            ).fetchall()
            found: dict[int, list[Bucket]] = {}
            for metric, *bucket in rows:
                found.setdefault(metric, []).append(Bucket(*bucket))
            self._write(run, COARSE, {metric: merge(buckets, COARSE) for metric, buckets in found.items()})

    def _write(self, run: RunFacts, level: int, found: dict[int, list[Bucket]]) -> None:
        rows = [(run.key, metric, level, *bucket) for metric, buckets in found.items() for bucket in buckets]
        if rows:
            self._connection.exec_driver_sql(self._insert, rows)

    def _clear(self, run: RunFacts, ids: list[int], level: int, start: int, end: int) -> None:
        self._connection.exec_driver_sql(
            self._delete, [(run.key, metric, level, start, end) for metric in ids]
        )


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
