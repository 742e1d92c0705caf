"""Maintenance of the database over months: a daily copy, a check, unused pages freed.

All of it runs beside the writer and keeps it waiting no longer than a moment.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from daemon.errors import DaemonError
from daemon.store.copying import GivenUpError, Patience, copy_database, opened, quick_check
from daemon.store.engine import database_file
from daemon.store.opening import mark_suspect
from daemon.store.privacy import create_private, tighten
from daemon.store.wal_truncation import cut_log
from daemon.system.durable import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import URL

# Pages given back at a time, so that the writer waits no longer than a moment.
VACUUM_PAGES = 2_000
# Rows looked at for statistics, so that a large table holds the write lock no longer than a small one.
ANALYSED_ROWS = 1_000


def backup(
    url: URL,
    path: Path,
    *,
    stop: threading.Event | None = None,
    on_pages: Callable[[int], None] = lambda _left: None,
) -> int:
    """Copy a SQLite database while it is in use; bytes of the copy. See Store.backup.

    Args:
        url: of the database.
        path: of the copy.
        stop: set to have it given up.
        on_pages: called now and then with the number of pages left.
    """
    file = database_file(url)
    if file is None:
        raise DaemonError(
            f"A {url.get_backend_name()} database is not copied to a file by synapsed; use its own means, "
            "such as pg_dump"
        )
    patience = Patience(file, stop or threading.Event())
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_over in path.parent.glob(".*.partial*"):  # of a daemon that was killed in a copy
            left_over.unlink(missing_ok=True)
        create_private(temporary)
        copy_database(file, temporary, patience, on_pages=on_pages)
        temporary.replace(path)
        sync_directory(path.parent)
        tighten(path.parent.glob("*.db"))  # copies from before they were private
    except (sqlite3.Error, OSError) as error:
        raise DaemonError(
            f"The database was not copied to {path}: {error}. Is there room and the right to write?"
        ) from error
    except GivenUpError as reason:
        raise DaemonError(f"The database was not copied to {path}: {reason}. Older copies stay.") from reason
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path.stat().st_size


def tidy(url: URL, *, stop: threading.Event | None = None) -> str:
    """See Store.upkeep."""
    file = database_file(url)
    if file is None:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
        engine.dispose()
        return "ok"
    patience = Patience(file, stop or threading.Event())
    try:
        with closing(opened(file)) as connection:
            connection.isolation_level = None
            connection.execute(f"PRAGMA analysis_limit={ANALYSED_ROWS}").fetchall()
            connection.execute("PRAGMA optimize").fetchall()
            connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
            cut_log(connection)
            with patience.over(connection):
                verdict = quick_check(connection)
    except GivenUpError as reason:
        return f"tidied, not checked to the end: {reason}"
    except sqlite3.Error as error:
        raise DaemonError(f"The database was not tidied: {error}. It is tried again tomorrow.") from error
    if verdict != "ok":
        mark_suspect(file)
        raise DaemonError(
            f"The database {file} is damaged ({verdict}). Restart the daemon: it keeps the file aside and begins "
            f"a new one; older copies are in the home's folder backups"
        )
    return verdict
