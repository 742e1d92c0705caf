"""The reading half of the store: each question on a connection of its own from a small pool.

A read sees what has been committed, at most a quarter of a second ago; call `Store.flush` between a write
and a read that must see it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.errors import StoreError
from daemon.store import queries
from daemon.store.engine import reason_of
from daemon.store.forgetting_matrix import read_forgetting
from daemon.store.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from daemon.store.series import Touched, Window, read_series
from daemon.store.step_times import read_step_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection, Engine


class Reader:
    """Every question the supervisor, the API and the CLI have. May be asked by any thread."""

    def __init__(self, engine: Engine) -> None:
        self._read_engine = engine

    def note_trouble(self, error: Exception) -> None:
        """Called with the error of a database that could not be read."""

    def runs(
        self, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT, states: Collection[str] | None = None
    ) -> Page:
        """Runs, newest first, without config and sources; of these states only, when given."""
        with self._reading() as connection:
            return queries.read_runs(connection, cursor=cursor, limit=limit, states=states)

    def run(self, run: str) -> dict[str, Any] | None:
        """One run in the API's form; None when there is none."""
        with self._reading() as connection:
            return queries.read_run(connection, run)

    def sessions(self, run: str) -> list[dict[str, Any]]:
        """The lives of a run's trainer, oldest first."""
        with self._reading() as connection:
            return queries.read_sessions(connection, run)

    def series(
        self,
        run: str,
        metrics: Sequence[str],
        *,
        start: int | None = None,
        end: int | None = None,
        points: int = 1000,
        touched: Touched | None = None,
    ) -> dict[str, Any] | None:
        """Curves in the API's form over steps start … end, both included; None when there is no such run."""
        with self._reading() as connection:
            window = Window(start=start, end=end, num_points=points)
            return read_series(connection, run, metrics, window, touched or Touched())

    def step_at(self, run: str, time: float) -> int | None:
        """Steps a run had finished at a moment, unix seconds; None where nothing is known of it."""
        with self._reading() as connection:
            return read_step_at(connection, run, time)

    def events(
        self,
        run: str | None = None,
        *,
        after: int | None = None,
        before: int | None = None,
        kind: str | Collection[str] | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """Events of a run or of all, newest first; with `after`, oldest first. Bounds are exclusive."""
        kinds = [kind] if isinstance(kind, str) else kind
        with self._reading() as connection:
            return queries.read_events(
                connection, run=run, after=after, before=before, kinds=kinds, cursor=cursor, limit=limit
            )

    def events_after(self, seq: int, limit: int) -> list[dict[str, Any]]:
        """Up to `limit` events after a number, of all runs, oldest first."""
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            page = self.events(after=seq, limit=MAX_LIMIT)
            found += page.items
            if page.next is None:
                break
            seq = int(page.items[-1]["seq"])
        return found[:limit]

    def checkpoints(
        self,
        run: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
        deleted: bool = False,
    ) -> Page:
        """Checkpoints, newest first; deleted ones only when asked for."""
        with self._reading() as connection:
            return queries.read_checkpoints(connection, run=run, cursor=cursor, limit=limit, deleted=deleted)

    def checkpoint(self, name: str) -> dict[str, Any] | None:
        """One checkpoint, deleted or not."""
        with self._reading() as connection:
            return queries.read_checkpoint(connection, name)

    def operations(
        self, run: str | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page:
        """Operations, newest first."""
        with self._reading() as connection:
            return queries.read_operations(connection, run=run, cursor=cursor, limit=limit)

    def operation(self, operation: str) -> dict[str, Any] | None:
        """One operation."""
        with self._reading() as connection:
            return queries.read_operation(connection, operation)

    def alarms(
        self,
        run: str | None = None,
        *,
        active: bool = False,
        cursor: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Page:
        """Alarms, newest first; `active` leaves out those that cleared."""
        with self._reading() as connection:
            return queries.read_alarms(connection, run=run, active=active, cursor=cursor, limit=limit)

    def alarm(self, alarm: str) -> dict[str, Any] | None:
        """One alarm."""
        with self._reading() as connection:
            return queries.read_alarm(connection, alarm)

    def readings(
        self, run: str, *, name: str | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page:
        """Measurements of vital signs, newest first."""
        with self._reading() as connection:
            return queries.read_readings(connection, run, name=name, cursor=cursor, limit=limit)

    def evaluations(
        self, run: str, *, source: str | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
    ) -> Page:
        """Held-out losses, newest first."""
        with self._reading() as connection:
            return queries.read_evaluations(connection, run, source=source, cursor=cursor, limit=limit)

    def forgetting(self, run: str, *, limit: int) -> dict[str, dict[str, list[Any]]]:
        """The forgetting matrix, by source."""
        with self._reading() as connection:
            return read_forgetting(connection, run, limit=limit)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """What is kept of each job of the schedule, by its name."""
        with self._reading() as connection:
            return queries.read_jobs(connection)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._read_engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            self.note_trouble(error)
            raise StoreError(
                f"The database could not be read: {reason_of(error)}. Look closer: synapsed doctor"
            ) from error
