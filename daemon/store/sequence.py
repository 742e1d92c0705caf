"""Numbers of events: given out at once, never twice, not even after a crash that lost the newest events.

The database keeps the first number not yet set aside; numbers are set aside in blocks before any of them is
given out. An orderly close returns what is left of the block, a crash leaves a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from daemon.store.opening import set_counter
from daemon.store.tables import counters, events
from daemon.store.writes import Put

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 10_000


class EventNumbers:
    """Gives out the numbers; the caller holds a lock.

    Attributes:
        newest: the number given last.
        begun_at: when the database was opened first, in unix seconds.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        with engine.connect() as connection:
            kept = _counter(connection, "event_seq")
            begun = _counter(connection, "begun_at")
            used = connection.execute(sa.select(sa.func.max(events.c.seq))).scalar() or 0
            connection.rollback()
            self.newest = max(used, (kept or 1) - 1)
            self._set_aside_to = self.newest + BLOCK
            # Synced in full: after a power cut, too, no number is given twice.
            _sync(connection, "FULL")
            set_counter(connection, "event_seq", self._set_aside_to)
            set_counter(connection, "clean", 0)
            self.begun_at = int(clock()) if begun is None else begun
            if begun is None:
                set_counter(connection, "begun_at", self.begun_at)
            connection.commit()
            _sync(connection, "NORMAL")

    def take(self) -> tuple[int, Put | None]:
        """The next number and, when half of the block is used, the order that sets the next one aside."""
        self.newest += 1
        if self.newest + BLOCK // 2 < self._set_aside_to:
            return self.newest, None
        self._set_aside_to += BLOCK
        return self.newest, Put(
            table=counters, key={"name": "event_seq"}, values={"value": self._set_aside_to}
        )

    def finish(self) -> None:
        """Return what was not used and mark the database as closed in order."""
        with self._engine.begin() as connection:
            set_counter(connection, "event_seq", self.newest + 1)
            set_counter(connection, "clean", 1)


def _counter(connection: Connection, name: str) -> int | None:
    value: int | None = connection.execute(
        sa.select(counters.c.value).where(counters.c.name == name)
    ).scalar()
    return value


def _sync(connection: Connection, how: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA synchronous={how}")
        connection.commit()
