"""A database that no daemon has open, read as its last daemon left it: nothing is made, migrated, mended or written."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from daemon.errors import NotFoundError, StoreError
from daemon.store import schema
from daemon.store.engine import BUSY_TIMEOUT_MS, database_file, parse_url, read_engine, reason_of
from daemon.store.read_pool import Reader
from daemon.store.tables import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL


@contextmanager
def opened_to_read(url: str | Path) -> Iterator[tuple[Reader, str | None]]:
    """The questions of a database, and when it was last written (ISO 8601 UTC; None: nothing in it tells).

    Raises:
        UsageError: the URL is none.
        NotFoundError: there is no database yet.
        StoreError: it cannot be read, or is of another version of this program.
    """
    parsed = parse_url(url)
    file = database_file(parsed)
    if file is not None and not file.is_file():
        raise NotFoundError(f"there is no database {file} yet")
    written = None if file is None else _written_at(file)  # before a reader touches what lies beside it
    engine = _engine(parsed, file)
    try:
        _require_current(engine)
        reader = Reader(engine)
        yield reader, written or _newest_event(reader)
    finally:
        engine.dispose()


def _engine(url: URL, file: Path | None) -> Engine:
    if file is None:
        return read_engine(url)

    # Read-only, so that closing it does not fold the log into the file; without a log nothing is laid beside it.
    mode = "mode=ro" if _has_log(file) else "immutable=1"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(file))}?{mode}", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return connection

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _require_current(engine: Engine) -> None:
    try:
        with engine.connect() as connection:
            found = schema.revision_of(connection)
    except SQLAlchemyError as error:
        raise StoreError(
            f"The database could not be read: {reason_of(error)}. Look closer: synapsed doctor"
        ) from error
    if found != HEAD:
        raise StoreError(
            f"The database is at revision {found or 'none'}, and this synapsed reads {HEAD}; "
            "starting a daemon of the newer version brings it up to date: synapsed serve"
        )


def _written_at(file: Path) -> str:
    """When the file or its log changed last."""
    newest = max(one.stat().st_mtime for one in (file, *([_log(file)] if _has_log(file) else [])))
    return datetime.fromtimestamp(newest, UTC).isoformat()


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _has_log(file: Path) -> bool:
    """Whether something was written that is not folded into the file yet."""
    return _log(file).is_file() and _log(file).stat().st_size > 0


def _newest_event(reader: Reader) -> str | None:
    items = reader.events(limit=1).items
    return str(items[0]["time"]) if items else None
