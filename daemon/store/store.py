"""The store: one door to the database for the supervisor. Writes are queued and never wait, reads answer.

A read sees what has been committed, at most a quarter of a second ago; call `flush` between a write and a
read that must see it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import SQLAlchemyError

from daemon.errors import DaemonError
from daemon.events import DatabaseHealed, DatabaseStalled
from daemon.store import queries, removal, thinning, upkeep
from daemon.store.answers import RecentAnswers
from daemon.store.engine import database_file, parse_url, read_engine, reason_of
from daemon.store.fresh_rows import FRESH_CHECKPOINT, FRESH_EVENT, FRESH_READING, FRESH_RUN, row_of
from daemon.store.opening import is_damage, mark_suspect, open_engine, refusal
from daemon.store.reader import Reader
from daemon.store.recorder import SqlRecorder
from daemon.store.sequence import EventNumbers
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
from daemon.store.whereabouts import Whereabouts
from daemon.store.writer import Writer
from daemon.store.writes import Columns, Insert, Points, Put, Remove, RemoveSome, StartSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine, Table
    from sqlalchemy.engine import URL

    from daemon.events import Event

log = logging.getLogger(__name__)

REMOVE_SECONDS = 60.0
Moment = str | float | datetime


class Store(Reader):
    """Everything the daemon remembers beside checkpoints. Made by `Store.open`; any thread may use it.

    Attributes:
        notices: what a person should know about the opening (a damaged file was moved aside).
        tell: takes DatabaseStalled and DatabaseHealed, on the writer's thread; by itself it keeps them.
    """

    def __init__(self, url: URL, engine: Engine, notices: list[str], clock: Callable[[], float]) -> None:
        self.url = url
        self.notices = notices
        self._clock = clock
        self._write_engine = engine
        super().__init__(read_engine(url))
        self._numbers = EventNumbers(engine, clock=clock)
        self._recorder = SqlRecorder(engine, clock=clock)
        self._whereabouts = Whereabouts(self.file)
        self._writer = Writer(self._recorder, on_trouble=self.note_trouble, on_change=self._on_change)
        self._writer.on_written = self._look_for_file
        self.tell: Callable[[Event], object] = self._keep_event
        self._order = threading.Lock()  # event numbers are queued in their order
        self._answers = RecentAnswers(done=lambda: self._writer.num_done)
        self._closed = False
        self._leaving = threading.Event()

    @classmethod
    def open(cls, url: str | Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Open a database, making or migrating it first.

        Args:
            url: any SQLAlchemy URL, or the path of a SQLite file.
            clock: unix seconds, for rows that bring no time of their own.

        Raises:
            UsageError: when the URL is none.
            StoreError: when the database cannot be opened or written, or is newer than this program.
        """
        parsed = parse_url(url)
        try:
            return cls._opened(parsed, clock)
        except SQLAlchemyError as error:
            file = database_file(parsed)
            if file is None or not is_damage(error):
                raise refusal(parsed, error) from error
            mark_suspect(file)  # checked in full, it is set aside
        try:
            return cls._opened(parsed, clock)
        except SQLAlchemyError as error:
            raise refusal(parsed, error) from error

    @classmethod
    def _opened(cls, url: URL, clock: Callable[[], float]) -> Self:
        engine, notices = open_engine(url, clock=clock)
        for notice in notices:
            log.warning("%s", notice)
        try:
            return cls(url, engine, notices, clock)
        except BaseException:
            engine.dispose()
            raise

    @property
    def file(self) -> Path | None:
        """The database file; None for a server."""
        return database_file(self.url)

    @property
    def dropped(self) -> int:
        """Metric rows dropped so far because the database could not keep up."""
        return self._writer.dropped

    @property
    def degraded(self) -> str | None:
        """Why the database cannot be written just now; None when it can."""
        return self._writer.degraded

    @property
    def newest_seq(self) -> int:
        """Number of the newest event."""
        return self._numbers.newest

    def begun_at(self) -> float:
        """When this database was opened first, in unix seconds."""
        return float(self._numbers.begun_at)

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until everything written before is on disk; False when it is not in time."""
        return self._writer.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what waits, then let go of the database. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._leaving.set()  # a copy or a check under way is given up
        written = self._writer.close(timeout_seconds)
        try:
            if written:
                if self._whereabouts.gone():
                    self._put_back()
                self._recorder.close()
                self._numbers.finish()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            log.warning("The database was not closed in order: %s", reason_of(error))
        finally:
            self._read_engine.dispose()
            self._write_engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def create_run(self, run: str, **values: Any) -> None:
        """Add a run; values are columns of `runs`: name, preset, brain, config, parent_run and so on."""
        self._put(runs, {"id": run}, values, {"created_at": self._clock(), **FRESH_RUN})

    def update_run(self, run: str, **values: Any) -> None:
        """Change columns of a run; changes between two commits are drawn together."""
        self._put(runs, {"id": run}, values, None)

    def start_session(self, run: str, number: int, *, first_step: int | None = None, **values: Any) -> None:
        """Begin a new life of a run's trainer; further values: resumed_from, started_at.

        Rows of earlier sessions from `first_step` on are superseded; without it, its first row says.
        """
        begun = {"started_at": self._clock(), **({} if first_step is None else {"first_step": first_step})}
        self._writer.put(StartSession(run=run, number=number, values={**begun, **values}))

    def end_session(self, run: str, number: int, *, end_state: str, reason: str | None = None) -> None:
        """A life of a run's trainer ended."""
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
        """Held-out losses: source, bpc, coverage, age_steps, step and, when they have one, time."""
        fresh = {"bpc": None, "coverage": None, "age_steps": None, "time": self._clock()}
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
        """Alarms of a run that are up, of one kind or all, hold no more."""
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
        """Let go of answers given longer ago than that."""
        below = self._clock() - older_than_seconds
        self._answers.forget(below)
        self._writer.put(Remove(table=answers, column="created_at", below=below))

    def recall_answer(self, key: str, endpoint: str) -> dict[str, Any] | None:
        """What a POST with this Idempotency-Key was answered: body_hash, status, response; None if new."""
        known = self._answers.get(key, endpoint)
        if known is not None:
            return known
        with self._reading() as connection:
            return queries.read_answer(connection, key, endpoint)

    def remove_run(self, run: str) -> None:
        """Delete every row of a run. Waits, so not for the event loop; what was begun may be begun again.

        Raises:
            DaemonError: the database cannot be written now; the run's own row is still there.
        """
        self._remove(lambda connection: removal.remove_of_run(connection, run), f"the rows of run {run}")

    # ── keeping it well ──────────────────────────────────────────────────────────────────────────

    def backup(self, path: Path) -> int:
        """Copy the database, as of now, to a file that appears whole or not at all.

        Returns:
            Bytes of the copy.

        Raises:
            DaemonError: for a server, which has better means of its own; when it cannot be written; when the
                store closes first.
        """
        self.flush()
        return upkeep.backup(self.url, path, stop=self._leaving)

    def thin(self, *, metric_rows: int, rollup_rows: int, history_rows: int) -> int:
        """Delete the oldest rows beyond these bounds; how many. Waits, so not for the event loop.

        Args:
            metric_rows: rows of single steps, and of sparse values each; older ones are kept as rollups.
            rollup_rows: rows of fine rollups; older ones are kept as coarse rollups.
            history_rows: rows of each of events, readings, operations and the like.

        Raises:
            DaemonError: the database cannot be written now.
        """
        self.flush()
        total = 0
        for plan, max_rows in (
            (thinning.plan_rows, metric_rows),
            (thinning.plan_rollups, rollup_rows),
            (thinning.plan_history, history_rows),
        ):
            with self._reading() as connection:
                doomed = list(plan(connection, max_rows))
            for one in doomed:
                total += self._remove(partial(removal.remove_fitting, doomed=one), f"old {one.table.name}")
        return total

    def upkeep(self) -> str:
        """Fold the log in, give freed pages back, refresh statistics and check the file; how it went.

        Raises:
            DaemonError: the file is damaged, or cannot be written.
        """
        self.flush()
        return upkeep.tidy(self.url, stop=self._leaving)

    # ── within ───────────────────────────────────────────────────────────────────────────────────

    def _put(
        self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any], fresh: Mapping[str, Any] | None
    ) -> None:
        for name in values:
            if name not in table.c:
                raise TypeError(f"table {table.name} has no column {name}")
        self._writer.put(Put(table=table, key=key, values=values, fresh=fresh))

    def _remove(self, remove: Callable[[Connection], int], what: str) -> int:
        """Delete some rows after some until none is left; how many there were."""
        total = 0
        while True:
            removed: list[int] = []
            self._writer.put(RemoveSome(remove=remove, removed=removed))
            if not self.flush(REMOVE_SECONDS) or not removed:
                raise DaemonError(f"{what} cannot be deleted now ({self.degraded or 'the database is busy'})")
            if not removed[0]:
                return total
            total += removed[0]

    def _insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._writer.put(Insert(table=table, rows=rows))

    def _on_change(self, reason: str | None, lost: Mapping[str, int]) -> None:
        """The database can be written no more, or again; on the writer's thread."""
        self._say(DatabaseHealed(lost=dict(lost)) if reason is None else DatabaseStalled(reason=reason))

    def _look_for_file(self) -> None:
        """On the writer's thread, between batches."""
        if (event := self._whereabouts.mended(self._put_back)) is not None:
            self._say(event)

    def _say(self, event: Event) -> None:
        with suppress(RuntimeError):  # the event loop may be gone before the last of the writer
            self.tell(event)

    def _put_back(self) -> None:
        self._recorder.write_anew(self._whereabouts)
        self._recorder.close()
        for engine in (self._write_engine, self._read_engine):
            engine.dispose()  # what they hold open is the file that is gone
        self._recorder = self._writer.recorder = SqlRecorder(self._write_engine, clock=self._clock)

    def _keep_event(self, event: Event) -> None:
        self.add_event(event.record())

    def note_trouble(self, error: Exception) -> None:
        """Have a file that turned out to be damaged checked in full at the next opening."""
        if self.file is not None and is_damage(error):
            mark_suspect(self.file)
