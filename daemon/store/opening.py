"""Opening a database: made when there is none, brought up to date, and moved aside when it is damaged.

A damaged file is never deleted and never stops the daemon: checkpoints are the truth, the database is the
history.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from daemon.errors import StoreError
from daemon.store import schema
from daemon.store.copying import Patience, copy_database, opened, quick_check
from daemon.store.engine import database_file, reason_of, write_engine
from daemon.store.privacy import create_private, family, tighten
from daemon.store.tables import HEAD, counters
from daemon.system.durable import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import URL

# After an unclean end the file is checked as long as that takes no longer than a moment.
CHECK_UP_TO_BYTES = 128 * 2**20

ADVICE = (
    ("locked", "another program has it open for writing: close that, then start again"),
    ("readonly", "let yourself write it and its folder (chmod u+w), or choose another --home"),
    ("read-only", "its disk takes no writing: choose another --home"),
    ("full", "make room, then start again"),
    ("no space", "make room, then start again"),
    ("permission", "let yourself read and write it and its folder, or choose another --home"),
    ("unable to open", "let yourself read and write it and its folder, or choose another --home"),
    ("not a database", "the next start keeps it aside and begins a new one"),
    ("malformed", "the next start keeps it aside and begins a new one"),
    ("connect", "start its server, or mend SYNAPSED_DATABASE_URL"),
)

DAMAGE = ("malformed", "not a database", "disk image", "unsupported file format")


def open_engine(url: URL, *, clock: Callable[[], float]) -> tuple[Engine, list[str]]:
    """The write engine of a database that is whole and up to date, and what a person should know about it.

    Raises:
        StoreError: when it cannot be opened or written, or is newer than this program.
    """
    file = database_file(url)
    if file is None:
        return _prepared(url), []
    notices = []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if defect := _defect(file):
            notices.append(_set_aside(file, defect, int(clock())))
        create_private(file)
        tighten(family(file))
        try:
            return _prepared(url), notices
        except DamagedDatabaseError as error:
            notices.append(_set_aside(file, str(error), int(clock())))
            create_private(file)
            return _prepared(url), notices
    except OSError as error:
        raise refusal(url, error) from error


def refusal(url: URL, error: Exception) -> StoreError:
    """Why a database cannot serve, in a line: what, where and what to do."""
    reason = (getattr(error, "strerror", None) or reason_of(error)).lower()
    file = database_file(url)
    if file is not None and file.is_dir():
        reason, advice = "it is a folder", "move it away, or choose another --home"
    else:
        advice = next((advice for sign, advice in ADVICE if sign in reason), "look closer: synapsed doctor")
    where = url.render_as_string(hide_password=True) if file is None else file
    return StoreError(f"The database {where} cannot be opened: {reason}; {advice}")


class DamagedDatabaseError(StoreError):
    """A database file is not what a database wrote."""


def is_damage(error: Exception) -> bool:
    """Whether an error means a broken file, not a full disk or a lock."""
    return isinstance(error, DatabaseError | sqlite3.DatabaseError) and any(
        sign in reason_of(error).lower() for sign in DAMAGE
    )


def mark_suspect(file: Path) -> None:
    """Have the file checked in full at the next opening; the writer met damage in it."""
    file.with_name(f"{file.name}-suspect").touch()


def _prepared(url: URL) -> Engine:
    engine = write_engine(url)
    try:
        with engine.connect() as connection:
            _keep_copy_before_upgrade(connection, url)
            schema.upgrade(connection)
            schema.end_whole(connection)
    except (SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        if is_damage(error):
            raise DamagedDatabaseError(reason_of(error)) from error
        raise refusal(url, error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _keep_copy_before_upgrade(connection: Connection, url: URL) -> None:
    """A changed schema can be undone by hand: the file as it was stays beside it."""
    file = database_file(url)
    found = schema.revision_of(connection)
    if file is None or found is None or found == HEAD or found not in schema.revisions():
        return
    connection.rollback()
    copy = file.with_name(f"{file.name}.before-{HEAD}")
    if _is_whole(copy, found):
        return
    temporary = copy.with_name(f".{copy.name}.partial")
    try:
        temporary.unlink(missing_ok=True)  # of a start that was killed in the copy
        create_private(temporary)
        copy_database(file, temporary, Patience(file))
        temporary.replace(copy)
        sync_directory(copy.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _is_whole(copy: Path, revision: str) -> bool:
    """Whether a copy kept earlier is a sound database of that revision, not the half of one."""
    if not copy.exists():
        return False
    try:
        with closing(opened(copy)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return found == (revision,) and quick_check(connection) == "ok"
    except (sqlite3.Error, OSError):
        return False


def _defect(file: Path) -> str | None:
    """What is wrong with an existing file; None for a sound one, or one that need not be checked."""
    if not file.exists() or file.stat().st_size == 0:
        return None
    suspect = file.with_name(f"{file.name}-suspect")
    try:
        with closing(sqlite3.connect(file)) as connection:
            if not suspect.exists() and (
                _ended_cleanly(connection) or file.stat().st_size > CHECK_UP_TO_BYTES
            ):
                return None
            verdict = quick_check(connection)
    except sqlite3.DatabaseError as error:
        # A lock or a missing right is no damage; opening it for use will raise it.
        return reason_of(error) if is_damage(error) else None
    suspect.unlink(missing_ok=True)
    return None if verdict == "ok" else verdict


def _ended_cleanly(connection: sqlite3.Connection) -> bool:
    known = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = ?", (counters.name,)
    ).fetchone()[0]
    if not known:
        return False
    row = connection.execute(f"SELECT value FROM {counters.name} WHERE name = 'clean'").fetchone()  # noqa: S608
    return row is not None and bool(row[0])


def _set_aside(file: Path, defect: str, now: int) -> str:
    """Move the file and what belongs to it away; a line for a person."""
    aside = file.with_name(f"{file.name}.damaged-{now}")
    number = 1
    while aside.exists():
        number += 1
        aside = file.with_name(f"{file.name}.damaged-{now}-{number}")
    file.rename(aside)
    for tail in ("-wal", "-shm"):
        beside = file.with_name(file.name + tail)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + tail))
    file.with_name(f"{file.name}-suspect").unlink(missing_ok=True)
    return (
        f"The database {file} was damaged ({defect}) and is kept as {aside.name}; a new one was begun. "
        "Checkpoints are whole: the runs continue, only their older history is missing."
    )


def set_counter(connection: Connection, name: str, value: int) -> None:
    """Write one of the counters."""
    changed = connection.execute(sa.update(counters).where(counters.c.name == name).values(value=value))
    if not changed.rowcount:
        connection.execute(sa.insert(counters).values(name=name, value=value))
