"""A migration cut short at any statement: the old tables or the new ones, never a part; the next start continues."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event

from daemon.errors import StoreError
from daemon.store import Store, copying, opening, schema
from daemon.store.engine import parse_url, write_engine
from daemon.store.tables import HEAD, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.faults]

OLDEST = schema.revisions()[0]


class Cut(BaseException):
    """The process ends here."""


class Statements:
    """Counts what is sent to SQLite, and cuts it off before the statement of a number."""

    def __init__(self, cut_before: int | None = None) -> None:
        self.cut_before = cut_before
        self.count = 0

    def __call__(self, *_: Any) -> None:
        if self.count == self.cut_before:
            raise Cut
        self.count += 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "synapsed.db"


@pytest.fixture
def statements() -> Iterator[Statements]:
    counter = Statements()
    event.listen(Engine, "before_cursor_execute", counter)
    yield counter
    event.remove(Engine, "before_cursor_execute", counter)


def make_oldest(file: Path) -> None:
    """A database of the first revision, with a run in it."""
    engine = write_engine(parse_url(file))
    with engine.connect() as connection:
        schema.upgrade(connection, to=OLDEST)
        schema.end_whole(connection)
    engine.dispose()
    with closing(sqlite3.connect(file)) as filled, filled:
        filled.execute(
            "INSERT INTO runs (id, config, state, degraded, created_at, session, step, samples, "
            "training_seconds, latest, readings, sources, rolled_to) "
            "VALUES ('r-1', '{}', 'stopped', 0, 5.0, 1, 9, 3, 1.5, '{}', '{}', '[]', 0)"
        )


def revision(file: Path) -> str | None:
    """The revision in the file; None when it has no tables at all."""
    with closing(sqlite3.connect(file)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        found: str = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        assert ("forgetting" in tables) == (found == HEAD)
        return found


def tables(file: Path) -> list[tuple[str, str]]:
    """Every table and index, as it was made."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def is_new(file: Path) -> None:
    engine = write_engine(parse_url(file))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.fault(
    "Killed migrations",
    tried="the change of the database's tables is cut off before each of its statements in turn",
    happens="the file has the old tables or the new ones; the next start brings it up to date, data kept",
)
@pytest.mark.parametrize("old", [True, False])
def test_cut_off_before_any_statement_the_next_start_continues(
    file: Path, statements: Statements, old: bool
) -> None:
    if old:
        make_oldest(file)
    oldest = file.read_bytes() if old else b""
    Store.open(file).close()
    is_new(file)
    uncut, cut = tables(file), 0
    while True:
        for path in file.parent.iterdir():
            path.unlink()
        if old:
            file.write_bytes(oldest)
        statements.count, statements.cut_before = 0, cut
        try:
            engine, _ = opening.open_engine(parse_url(file), clock=lambda: 0.0)
        except Cut:
            statements.cut_before = None
            assert revision(file) in ((OLDEST, HEAD) if old else (None, HEAD))
        else:
            engine.dispose()
            break
        with Store.open(file) as store:
            assert (store.run("r-1") is not None) is old
        assert revision(file) == HEAD
        assert tables(file) == uncut
        cut += 1
    assert cut > 10


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from daemon.store import Store

def die(_connection, _cursor, statement, *_):
    if statement.lstrip().startswith("CREATE INDEX ix_forgetting"):
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", die)
Store.open(Path(sys.argv[1]))
"""


@pytest.mark.fault(
    "Killed migrations",
    tried="kill -9 while the tables are changed",
    happens="the old tables are whole, with a copy of the file beside them; the next start brings them up to date",
)
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_for_real_the_old_tables_are_whole(file: Path) -> None:
    make_oldest(file)
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], timeout=60, check=False)
    assert done.returncode == -9
    assert revision(file) == OLDEST
    assert revision(file.with_name(f"{file.name}.before-{HEAD}")) == OLDEST
    with Store.open(file) as store:
        assert store.run("r-1") is not None
    assert revision(file) == HEAD


@pytest.mark.fault(
    "Killed migrations",
    tried="the copy kept before a change was cut off half-way, or is of something else",
    happens="it is not trusted: a complete, checked copy replaces it before anything is changed",
)
@pytest.mark.parametrize("half", ["empty", "half", "other"])
def test_a_half_written_copy_is_not_trusted(file: Path, half: str) -> None:
    make_oldest(file)
    copy = file.with_name(f"{file.name}.before-{HEAD}")
    if half == "other":
        Store.open(copy).close()
    else:
        copy.write_bytes(b"" if half == "empty" else file.read_bytes()[: file.stat().st_size // 2])

    Store.open(file).close()
    assert revision(copy) == OLDEST
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT id FROM runs").fetchall() == [("r-1",)]


@pytest.mark.fault(
    "Killed migrations",
    tried="the daemon is cut off, or the disk is full, while that copy is made",
    happens="the database is untouched, nothing half-done remains; a full disk is reported in a line",
)
@pytest.mark.parametrize("trouble", [Cut(), OSError(28, "No space left on device")])
def test_cut_off_in_the_copy_nothing_is_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    make_oldest(file)

    def fail(_descriptor: int) -> None:
        raise trouble

    monkeypatch.setattr(copying, "sync_file", fail)
    if isinstance(trouble, Cut):
        with pytest.raises(Cut):
            Store.open(file)
    else:
        with pytest.raises(StoreError, match="no space left on device; make room"):
            Store.open(file)
    monkeypatch.undo()
    assert revision(file) == OLDEST
    assert [path.name for path in file.parent.iterdir() if "before" in path.name] == []
    Store.open(file).close()
    assert revision(file) == HEAD
