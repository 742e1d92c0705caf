"""The log beside a SQLite file (-wal): what was deleted or changed still stands in it until it is folded in and cut."""

from __future__ import annotations

import sqlite3

from daemon.store.engine import BUSY_TIMEOUT_MS

# Folding the log in keeps the writer waiting while it waits for readers.
FOLD_TIMEOUT_MS = 500


def cut_log(connection: sqlite3.Connection) -> bool:
    """Fold the log into the file and cut it to nothing; False where a reader or another writer holds on to it."""
    connection.execute(f"PRAGMA busy_timeout={FOLD_TIMEOUT_MS}")
    try:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return not busy
