"""Copying and checking a SQLite file while it is in use.

A long read holds one moment of the database, so it ends however much is written meanwhile; what is written
gathers in the log (-wal) as long, so a read that takes too long gives up.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.store.engine import BUSY_TIMEOUT_MS
from daemon.system.durable import sync_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COPY_PAGES = 1_000
# How far the log may grow during a long read: so far, or to the size of the database if that is larger.
LOG_GROWTH_BYTES = 256 * 2**20
# Instructions of SQLite between two looks at whether to continue.
LOOK_EVERY = 20_000


class GivenUpError(Exception):
    """A long read was ended early; the message is the reason."""


@dataclass
class Patience:
    """Until when a long read of a database continues.

    Attributes:
        file: the database.
        stop: set when the daemon ends.
        given_up: why the read was ended, once it was.
    """

    file: Path
    stop: threading.Event = field(default_factory=threading.Event)
    given_up: str | None = None

    def __post_init__(self) -> None:
        """Note how long the log is at the beginning."""
        self._limit = self._log_bytes() + max(LOG_GROWTH_BYTES, self.file.stat().st_size)

    def look(self) -> str | None:
        """Why to give up; None to continue."""
        if self.stop.is_set():
            self.given_up = "the daemon stops"
        elif self._log_bytes() > self._limit:
            self.given_up = f"more than {self._limit / 2**20:.0f} MiB was written meanwhile"
        return self.given_up

    @contextlib.contextmanager
    def over(self, connection: sqlite3.Connection) -> Iterator[None]:
        """End a statement on the connection that runs when it is time to give up.

        Raises:
            GivenUpError: it was ended.
        """
        connection.set_progress_handler(lambda: self.look() is not None, LOOK_EVERY)
        try:
            yield
        except sqlite3.OperationalError as error:
            if self.given_up is not None:
                raise GivenUpError(self.given_up) from error
            raise
        finally:
            connection.set_progress_handler(None, 0)

    def _log_bytes(self) -> int:
        try:
            return self.file.with_name(f"{self.file.name}-wal").stat().st_size
        except OSError:
            return 0


def copy_database(
    file: Path,
    target: Path,
    patience: Patience,
    *,
    on_pages: Callable[[int], None] = lambda _left: None,
) -> None:
    """Copy a database as it is at one moment, check the copy and have it reach the medium.

    Raises:
        GivenUpError: it took too long, or was asked to stop.
        sqlite3.Error: it cannot be read, or the copy is not whole.
        OSError: it cannot be written.
    """

    def on_progress(_status: int, left: int, _total: int) -> None:
        if reason := patience.look():
            raise GivenUpError(reason)
        on_pages(left)

    with closing(opened(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.isolation_level = None
        # One read transaction over the whole copy. Without it each commit in between restarts the copy,
        # and beside a run that learns it would never end.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(copy, pages=COPY_PAGES, progress=on_progress, sleep=0.01)
        # The copy is one file: it needs no log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        with patience.over(copy):
            verdict = quick_check(copy)
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the copy is not whole ({verdict})")
    with target.open("r+b") as written:
        sync_file(written.fileno())


def quick_check(connection: sqlite3.Connection) -> str:
    """`ok`, or the first thing that is wrong with a SQLite file."""
    found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return found.replace("\n", " ").strip()


def opened(file: Path) -> sqlite3.Connection:
    """A connection to a database that is there, which waits a while for locks.

    Raises:
        FileNotFoundError: it is not there; connecting would make an empty one.
        sqlite3.Error: it cannot be opened.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no database {file}")
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection
