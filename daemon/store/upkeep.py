"""What keeps a database well over months: a copy a day, a check, freed pages given back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from daemon.errors import DaemonError
from daemon.store.engine import BUSY_TIMEOUT_MS, database_file
from daemon.store.opening import quick_check

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import URL

# Pages given back at a time, so that the writer waits no longer than a moment.
VACUUM_PAGES = 2_000
COPY_PAGES = 1_000


def backup(url: URL, path: Path) -> int:
    """Copy a SQLite database while it is in use; bytes of the copy. See Store.backup."""
    file = database_file(url)
    if file is None:
        raise DaemonError(
            f"A {url.get_backend_name()} database is not copied to a file by synapsed; use its own means, "
            "such as pg_dump"
        )
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with closing(_opened(file)) as source, closing(sqlite3.connect(temporary)) as target:
            source.backup(target, pages=COPY_PAGES, sleep=0)
            # The copy is one file: it needs no log beside it.
            target.execute("PRAGMA journal_mode=DELETE")
        with temporary.open("rb") as copied:
            os.fsync(copied.fileno())
        temporary.replace(path)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise DaemonError(
            f"The database was not copied to {path}: {error}. Is there room and the right to write?"
        ) from error
    return path.stat().st_size


def tidy(url: URL) -> str:
    """See Store.upkeep."""
    file = database_file(url)
    if file is None:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
        engine.dispose()
        return "ok"
    with closing(_opened(file)) as connection:
        connection.isolation_level = None
        connection.execute("PRAGMA optimize")
        connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return quick_check(connection)


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection
