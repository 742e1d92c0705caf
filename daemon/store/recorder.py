"""The writing half of the store: everything is queued in its order, and never waits.

What was written can be read once it is committed, at most a quarter of a second later; `Store.flush` waits for that.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daemon.store.answers import RecentAnswers
from daemon.store.fresh_rows import FRESH_CHECKPOINT, FRESH_EVENT, FRESH_READING, FRESH_RUN, row_of
from daemon.store.tables import (
    alarms,
    answers,
    checkpoints,
    evaluations,
    events,
    forgetting,
    jobs,
    operations,
    readings,
    runs,
    sessions,
)
from daemon.store.writes import Columns, CutLog, Insert, Points, Put, Remove, StartSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Table

    from daemon.store.sequence import EventNumbers
    from daemon.store.write_thread import Writer

Moment = str | float | datetime


class Recorder:
    """Everything the supervisor writes down. May be called from any thread."""

    def __init__(self, writer: Writer, numbers: EventNumbers, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._numbers = numbers
        self._clock = clock
        self._order = threading.Lock()  # event numbers are queued in their order
        self._answers = RecentAnswers(done=lambda: writer.num_done)

    def create_run(self, run: str, **values: Any) -> None:
        """Add a run; values are columns of `runs`: name, preset, brain, config, parent_run and so on."""
        self._put(runs, {"id": run}, values, {"created_at": self._clock(), **FRESH_RUN})

    def update_run(self, run: str, **values: Any) -> None:
        """Change columns of a run; changes between two commits are merged."""
        self._put(runs, {"id": run}, values, None)

    def start_session(self, run: str, number: int, *, first_step: int | None = None, **values: Any) -> None:
        """Begin a session, a life of a run's trainer; further values: resumed_from, started_at.

        Rows of earlier sessions from `first_step` on are superseded; without it, its first row decides.
        """
        begun = {"started_at": self._clock(), **({} if first_step is None else {"first_step": first_step})}
        self._writer.put(StartSession(run=run, number=number, values={**begun, **values}))

    def end_session(self, run: str, number: int, *, end_state: str, reason: str | None = None) -> None:
        """A session ended."""
        from_here = {"ended_at": self._clock(), "end_state": end_state, "reason": reason}
        self._put(sessions, {"run": run, "number": number}, from_here, None)

    def add_columns(self, run: str, session: int, columns: Mapping[str, Sequence[float | None]]) -> None:
        """Step-aligned metrics: `step`, `time` (unix seconds), hot metrics; others are kept as points."""
        if columns.get("step"):
            self._writer.put(Columns(run=run, session=session, columns=columns))

    def add_points(
        self, run: str, session: int, points: Sequence[tuple[str, int, float, float | None]]
    ) -> None:
        """Sparse values as (metric, step, time in unix seconds, value)."""
        if points:
            self._writer.put(Points(run=run, session=session, points=points))

    def add_readings(self, run: str, session: int, found: Iterable[Mapping[str, Any]]) -> None:
        """Measurements of vital signs: `brain.ports.Reading` as dicts with `step` and, if known, `time`."""
        fresh = {**FRESH_READING, "time": self._clock()}
        rows = [row_of(readings, {**fresh, **reading, "run": run, "session": session}) for reading in found]
        self._insert(readings, rows)

    def add_evaluations(self, run: str, session: int, found: Iterable[Mapping[str, Any]]) -> None:
        """Held-out losses: source, step, time and, where known, the other columns of `evaluations`."""
        unknown = dict.fromkeys(("bpc", "mixed_bpc", "coverage", "age_steps", "accuracy", "examples"))
        fresh = {**unknown, "time": self._clock()}
        rows = [row_of(evaluations, {**fresh, **item, "run": run, "session": session}) for item in found]
        self._insert(evaluations, rows)

    def add_forgetting(self, run: str, session: int, found: Iterable[Mapping[str, Any]]) -> None:
        """Rows of the forgetting matrix: source, step, bpc, smooth, forgetting and, when known, time."""
        fresh = {"bpc": None, "smooth": None, "forgetting": None, "time": self._clock()}
        rows = [row_of(forgetting, {**fresh, **item, "run": run, "session": session}) for item in found]
        self._insert(forgetting, rows)

    def add_event(
        self, record: Mapping[str, Any], *, run: str | None = None, session: int | None = None
    ) -> int:
        """Keep an event (`Event.record()`), never dropped.

        Returns:
            Its number, larger than any given before, in this life of the daemon and in earlier ones.
        """
        fresh = {**FRESH_EVENT, "run": run, "session": session, "time": self._clock()}
        with self._order:
            seq, renewal = self._numbers.take()
            if renewal is not None:
                self._writer.put(renewal)
            self._insert(events, [row_of(events, {**fresh, **record, "seq": seq})])
        return seq

    def put_checkpoint(self, name: str, **values: Any) -> None:
        """Add a checkpoint or change columns of one (pinned, verified, best, bpc, path …)."""
        self._put(checkpoints, {"name": name}, values, {"created_at": self._clock(), **FRESH_CHECKPOINT})

    def mark_deleted(self, name: str, *, at: Moment | None = None) -> None:
        """A checkpoint's files are gone; its row stays as history."""
        self._put(checkpoints, {"name": name}, {"deleted_at": self._clock() if at is None else at}, None)

    def put_operation(self, operation: str, **values: Any) -> None:
        """Add an operation or change it (run, action, state, result, error, finished_at)."""
        fresh = {"created_at": self._clock(), "state": "pending", "action": ""}
        self._put(operations, {"id": operation}, values, fresh)

    def put_alarm(self, alarm: str, **values: Any) -> None:
        """Raise an alarm or change it (cleared_at, acknowledged_at)."""
        fresh = {"raised_at": self._clock(), "kind": "", "severity": "warning", "message": "", "data": {}}
        self._put(alarms, {"id": alarm}, values, fresh)

    def clear_alarms(self, run: str, *, kind: str | None = None, at: Moment | None = None) -> None:
        """Clear the raised alarms of a run, of one kind or all."""
        still = {"run": run, "cleared_at": None, **({} if kind is None else {"kind": kind})}
        self._put(alarms, still, {"cleared_at": self._clock() if at is None else at}, None)

    def put_job(self, job: str, **values: Any) -> None:
        """Keep what a person changed of a job (paused, trigger), or how it went (last_run, last_outcome)."""
        self._put(jobs, {"job": job}, values, {"paused": False})

    def remember_answer(self, key: str, endpoint: str, *, body_hash: str, status: int, response: Any) -> None:
        """Keep what a POST with an Idempotency-Key was answered; `recall_answer` knows it from now on."""
        answer = {"body_hash": body_hash, "status": status, "response": response, "created_at": self._clock()}
        self._put(answers, {"key": key, "endpoint": endpoint}, answer, {})
        self._answers.add({"key": key, "endpoint": endpoint, **answer}, put=self._writer.num_put)

    def forget_answers(self, *, older_than_seconds: float) -> None:
        """Forget answers given longer ago than that."""
        below = self._clock() - older_than_seconds
        self._answers.forget(below)
        self._writer.put(Remove(table=answers, column="created_at", below=below))

    def cut_log(self) -> None:
        """Once all written so far is committed, leave nothing of what it changed in the log beside a SQLite file."""
        self._writer.put(CutLog())

    def _put(
        self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any], fresh: Mapping[str, Any] | None
    ) -> None:
        for name in values:
            if name not in table.c:
                raise TypeError(f"table {table.name} has no column {name}")
        self._writer.put(Put(table=table, key=key, values=values, fresh=fresh))

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._writer.put(Insert(table=table, rows=rows))
