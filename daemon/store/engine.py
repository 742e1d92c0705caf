"""Engines: one for the writer, one for readers, tuned the same way; and JSON that every database takes.

SQLite runs in WAL, so readers never wait for the writer. `synchronous=NORMAL` may lose the last commits to a
power cut (never to a crash of the program); checkpoints, which do not live here, are the truth.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from daemon.errors import UsageError

BUSY_TIMEOUT_MS = 5_000
WAL_KEPT_BYTES = 64 * 2**20

# What may follow the ? of a SQLite URL; anything else there is a piece of a path.
SQLITE_OPTIONS = frozenset({"timeout", "cached_statements", "check_same_thread"})


def parse_url(url: str | Path) -> URL:
    """A database URL, checked; SQLite must name a file. A path is that SQLite file, whatever signs are in it.

    Raises:
        UsageError: when it is none, or one that cannot serve.
    """
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            f"{url!r} is not a database URL; write sqlite:///path/to/synapsed.db or postgresql+psycopg://user@host/name"
        ) from error
    if is_sqlite(parsed) and parsed.database in {None, "", ":memory:"}:
        raise UsageError(
            "the database must be a file: several connections share it; write sqlite:///path/to/synapsed.db"
        )
    if is_sqlite(parsed) and "?" in url and not _is_options(url.partition("?")[2]):
        raise UsageError(
            f"{url!r}: in a database URL a ? begins the options, so no path can hold one; "
            "choose another folder, or leave the database in the home: synapsed start --home FOLDER"
        )
    return parsed


def _is_options(text: str) -> bool:
    return all(part.partition("=")[0] in SQLITE_OPTIONS for part in text.split("&"))


def is_sqlite(url: URL) -> bool:
    """Whether a URL leads to a SQLite file."""
    return url.get_backend_name() == "sqlite"


def database_file(url: URL) -> Path | None:
    """The file behind a SQLite URL, None for a server."""
    return Path(url.database) if is_sqlite(url) and url.database else None


def write_engine(url: URL) -> Engine:
    """The engine behind the one write connection."""
    return _engine(url, read_only=False)


def read_engine(url: URL) -> Engine:
    """A small pool of connections that cannot write."""
    return _engine(url, read_only=True)


def _engine(url: URL, *, read_only: bool) -> Engine:
    options: dict[str, Any] = {"pool_size": 4, "max_overflow": 12} if read_only else {"pool_size": 1}
    if not is_sqlite(url):
        options["pool_pre_ping"] = True  # a server may have been restarted in between
        if read_only:
            options["isolation_level"] = "REPEATABLE READ"  # the statements of a question see one moment
    try:
        engine = sa.create_engine(url, json_serializer=dump_json, **options)
    except NoSuchModuleError as error:
        raise UsageError(
            f"no driver for {url.get_backend_name()} databases is known; sqlite and postgresql are"
        ) from error
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the driver {error.name} for {url.get_backend_name()} is not installed; "
            "try: pip install 'synapsed[postgres]'"
        ) from error
    if is_sqlite(url):
        event.listen(engine, "connect", _tune_reader if read_only else _tune_writer)
        if read_only:
            event.listen(engine, "begin", _begin_reading)
    return engine


def _tune_writer(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # Takes effect only before the first table is made: freed pages can be given back later, a few at a time.
    cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    # What is deleted or changed is overwritten, so that what was forgotten cannot be read in the file.
    cursor.execute("PRAGMA secure_delete=ON")
    # Fold the log in every 16 MiB: pages written again and again in between are copied once.
    cursor.execute("PRAGMA wal_autocheckpoint=4000")
    # After a long read (a backup, a check) the log is cut back to this size.
    cursor.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_reading(connection: Connection) -> None:
    # Python's driver begins no transaction for a SELECT; without one each statement sees another moment.
    connection.exec_driver_sql("BEGIN")


def _tune_reader(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA query_only=ON")
    cursor.execute("PRAGMA mmap_size=268435456")
    cursor.close()


def dump_json(value: Any) -> str:
    """Compact JSON; a number that JSON cannot express becomes null.

    >>> dump_json({"phi": float("nan")})
    '{"phi":null}'
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False, default=str)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def reason_of(error: Exception) -> str:
    """One line of a database's error."""
    origin = getattr(error, "orig", None) if isinstance(error, SQLAlchemyError) else None
    return str(origin or error).strip().partition("\n")[0] or type(error).__name__
