"""The store: the supervisor's only access to the database. Writes are queued and never wait, reads answer.

A read sees what has been committed, at most a quarter of a second ago; call `flush` between a write and a
read that must see it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import SQLAlchemyError

from daemon.errors import DaemonError
from daemon.events import DatabaseHealed, DatabaseStalled
from daemon.store import maintenance, queries, removal, thinning
from daemon.store.engine import database_file, parse_url, read_engine, reason_of
from daemon.store.file_watch import FileWatch
from daemon.store.opening import is_damage, mark_suspect, open_engine, refusal
from daemon.store.read_pool import Reader
from daemon.store.recorder import Recorder
from daemon.store.sequence import EventNumbers
from daemon.store.transaction import Committer
from daemon.store.write_thread import Writer
from daemon.store.writes import RemoveSome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

    from daemon.events import Event

log = logging.getLogger(__name__)

REMOVE_SECONDS = 60.0


class Store(Reader, Recorder):
    """Everything the daemon remembers beside checkpoints. Made by `Store.open`; any thread may use it.

    Attributes:
        notices: what a person should know about the opening (a damaged file was moved aside).
        report: takes DatabaseStalled and DatabaseHealed, on the writer's thread; by itself it keeps them.
    """

    def __init__(self, url: URL, engine: Engine, notices: list[str], clock: Callable[[], float]) -> None:
        self.url = url
        self.notices = notices
        self._write_engine = engine
        Reader.__init__(self, read_engine(url))
        numbers = EventNumbers(engine, clock=clock)
        self._committer = Committer(engine, clock=clock)
        writer = Writer(self._committer, on_trouble=self.note_trouble, on_change=self._on_change)
        Recorder.__init__(self, writer, numbers, clock)
        self._file_watch = FileWatch(self.file)
        writer.on_written = self._look_for_file
        self.report: Callable[[Event], object] = self._keep_event
        self._closed = False
        self._leaving = threading.Event()
        self.cut_log()  # an upgrade may have taken text out, and a daemon that was killed left its log

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
        """Write what waits, then close the database. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._leaving.set()  # a copy or a check under way is given up
        written = self._writer.close(timeout_seconds)
        try:
            if written:
                if self._file_watch.gone():
                    self._put_back()
                self._committer.close()
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

    # ── both halves ──────────────────────────────────────────────────────────────────────────────

    def recall_answer(self, key: str, endpoint: str) -> dict[str, Any] | None:
        """What a POST with this Idempotency-Key was answered: body_hash, status, response; None if new."""
        known = self._answers.get(key, endpoint)
        if known is not None:
            return known
        with self._reading() as connection:
            return queries.read_answer(connection, key, endpoint)

    def remove_run(self, run: str) -> None:
        """Delete every row of a run. Waits, so not for the event loop; it may be repeated.

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
        return maintenance.backup(self.url, path, stop=self._leaving)

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
        """Checkpoint the log, free unused pages, refresh statistics and check the file; the outcome.

        Raises:
            DaemonError: the file is damaged, or cannot be written.
        """
        self.flush()
        return maintenance.tidy(self.url, stop=self._leaving)

    # ── within ───────────────────────────────────────────────────────────────────────────────────

    def _remove(self, remove: Callable[[Connection], int], what: str) -> int:
        """Delete rows in portions until none is left; how many there were."""
        total = 0
        while True:
            removed: list[int] = []
            self._writer.put(RemoveSome(remove=remove, removed=removed))
            if not self.flush(REMOVE_SECONDS) or not removed:
                raise DaemonError(f"{what} cannot be deleted now ({self.degraded or 'the database is busy'})")
            if not removed[0]:
                return total
            total += removed[0]

    def _on_change(self, reason: str | None, lost: Mapping[str, int]) -> None:
        """The database cannot be written any more, or can again; on the writer's thread."""
        self._report(DatabaseHealed(lost=dict(lost)) if reason is None else DatabaseStalled(reason=reason))

    def _look_for_file(self) -> None:
        """On the writer's thread, between batches."""
        if (event := self._file_watch.restored(self._put_back)) is not None:
            self._report(event)

    def _report(self, event: Event) -> None:
        with suppress(RuntimeError):  # the event loop may be gone before the last of the writer
            self.report(event)

    def _put_back(self) -> None:
        self._committer.restore_file(self._file_watch)
        self._committer.close()
        for engine in (self._write_engine, self._read_engine):
            engine.dispose()  # what they hold open is the file that is gone
        self._committer = self._writer.committer = Committer(self._write_engine, clock=self._clock)

    def _keep_event(self, event: Event) -> None:
        self.add_event(event.record())

    def note_trouble(self, error: Exception) -> None:
        """Have a file that turned out to be damaged checked in full at the next opening."""
        if self.file is not None and is_damage(error):
            mark_suspect(self.file)
