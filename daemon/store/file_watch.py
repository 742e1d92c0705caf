"""A database file that somebody deletes or moves while it is in use: noticed within seconds, and written again.

An open connection continues with the file it holds, so nothing is lost until it is closed.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from daemon.events import DatabaseMissing
from daemon.store.engine import reason_of
from daemon.store.privacy import create_private
from daemon.system.durable import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

LOOK_EVERY_SECONDS = 5.0


class FileWatch:
    """Whether a database file is where it was.

    Args:
        file: the file; None for a server, which is never missed.
        monotonic: seconds that never go back.
    """

    def __init__(self, file: Path | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._reported: DatabaseMissing | None = None  # last, if it could not be put back

    def gone(self) -> bool:
        """The database is gone; whoever looked for it may have left an empty file there."""
        if self._file is None:
            return False
        try:
            return self._file.stat().st_size == 0
        except FileNotFoundError:
            return True
        except OSError:
            return False  # it cannot be determined

    def restored(self, put_back: Callable[[], None]) -> DatabaseMissing | None:
        """Look every few seconds, and have it put back where it is gone; the event about it, once."""
        if self._monotonic() < self._looked_at + LOOK_EVERY_SECONDS:
            return None
        self._looked_at = self._monotonic()
        if not self.gone():
            return None
        error = None
        try:
            put_back()
        except (SQLAlchemyError, sqlite3.Error, OSError) as trouble:
            error = reason_of(trouble)
        event, before = DatabaseMissing(path=str(self._file), error=error), self._reported
        self._reported = event if error else None
        return event if event != before else None

    def restore_file(self, connection: Connection) -> None:
        """Put what an open connection still holds in the file's place.

        Raises:
            OSError, SQLAlchemyError: it could not be written.
        """
        assert self._file is not None
        temporary = self._file.with_name(f".{self._file.name}.partial")
        for left_over in (
            temporary,
            *(self._file.with_name(self._file.name + tail) for tail in ("-wal", "-shm")),
        ):
            left_over.unlink(missing_ok=True)
        create_private(temporary)
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.isolation_level = None
        driver.execute("VACUUM INTO ?", (str(temporary),))
        temporary.replace(self._file)
        sync_directory(self._file.parent)
