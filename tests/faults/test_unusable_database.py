"""A database that is locked, read-only, newer, damaged, a folder or at an odd path: a line, never a traceback."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from daemon.cli.doctor import check_database
from daemon.errors import StoreError, UsageError
from daemon.events import LimitReached
from daemon.home import Home
from daemon.store import Store, engine, opening
from daemon.store import store as store_module
from daemon.store.privacy import tighten
from daemon.store.sequence import EventNumbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.daemon_process import DaemonProcess

pytestmark = [pytest.mark.faults]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "synapsed.db"
    Store.open(file).close()
    return file


@pytest.fixture
def another_writer(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 20)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def refused(file: Path) -> str:
    with pytest.raises(StoreError) as error:
        Store.open(file)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    assert str(file) in str(error.value)
    return str(error.value)


@pytest.mark.fault(
    "Unusable database",
    tried="another program holds the database when the daemon starts",
    happens="one line with the reason and what to do, exit code 2; afterwards it starts",
)
def test_a_locked_database_is_refused_in_a_line(file: Path, another_writer: sqlite3.Connection) -> None:
    assert "database is locked; another program has it open for writing" in refused(file)
    another_writer.execute("ROLLBACK")
    Store.open(file).close()


@pytest.mark.fault(
    "Unusable database",
    tried="`synapsed start` beside a program that holds the database",
    happens="the command ends with one line and exit code 2, without a traceback",
)
def test_the_command_reports_it_in_a_line(home: Home, launch: Callable[..., DaemonProcess]) -> None:
    file = home.root / "synapsed.db"
    Store.open(file).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        daemon = launch("start", "--preset", "tiny")
        assert daemon.wait() == 2
    assert "database is locked; another program has it open for writing" in daemon.output()
    assert "Traceback" not in daemon.output()


@pytest.mark.fault(
    "Unusable database",
    tried="the file cannot be written; its disk is full; its folder is closed; it is a folder",
    happens="one line with the cause and the remedy, exit code 2",
)
@pytest.mark.parametrize(
    ("trouble", "printed"),
    [
        ("attempt to write a readonly database", "let yourself write it and its folder"),
        ("database or disk is full", "make room"),
        ("unable to open database file", "let yourself read and write it"),
        ("disk I/O error", "look closer: synapsed doctor"),
    ],
)
def test_a_database_that_cannot_be_written_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, printed: str
) -> None:
    class Failing(EventNumbers):  # the first to write at a start
        def __init__(self, *_: Any, **__: Any) -> None:
            raise SQLAlchemyError(trouble)

    monkeypatch.setattr(store_module, "EventNumbers", Failing)
    assert printed in refused(file)


def no_writing(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA query_only=ON")


@pytest.mark.fault(
    "Unusable database",
    tried="the database cannot be written, as on a read-only disk",
    happens="`start` and `doctor` say so in a line; nothing is moved aside",
)
def test_a_read_only_database_is_no_damaged_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_tune_writer", no_writing)
    assert "attempt to write a readonly database" in refused(file)
    monkeypatch.undo()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "let yourself write it" in check_database(file).detail
    assert sorted(path.name for path in file.parent.iterdir()) == ["synapsed.db"]


@pytest.mark.fault(
    "Unusable database",
    tried="a file that its owner made read-only, and that others may read",
    happens="others may no longer read it; it is not made writable",
)
@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_is_read_only_is_not_made_writable(file: Path) -> None:
    file.chmod(0o444)
    tighten([file])
    assert stat.S_IMODE(file.stat().st_mode) == 0o400


@pytest.mark.fault(
    "Unusable database",
    tried="no right to move a damaged file aside; a folder in its place; a newer program's database",
    happens="one line, exit code 2; the file stays unchanged",
)
def test_what_is_in_the_way_stays(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    assert "it is a folder; move it away" in refused(tmp_path / "folder")

    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer than this synapsed" in refused(file)

    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database " * 1000)

    def refuse(*_: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(opening, "_set_aside", refuse)
    assert "permission denied; let yourself read and write it" in refused(damaged)
    assert damaged.read_bytes() == b"no database " * 1000


@pytest.mark.fault(
    "Unusable database",
    tried="the database is locked while a run is learning",
    happens="degraded with the reason; what was reported meanwhile is written when the lock is gone",
)
def test_a_lock_that_comes_later_heals(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 20)
    with Store.open(file) as store, closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.create_run("r-1")
        seq = store.add_event(LimitReached(limit="steps").record(), run="r-1")
        assert not store.flush(0.3)
        assert store.degraded == "database is locked"
        other.execute("ROLLBACK")
        assert store.flush()
        assert [event["seq"] for event in store.events("r-1").items] == [seq]
        assert store.degraded is None


ODD_NAMES = [
    "what?",
    "a?mode=ro",
    "50%",
    "a%20b",
    "a%3Fb",
    "#1",
    "two words",
    "日本 ü",
    "quo'te\"s",
    "a&b;c",
    "c:d",
]


@pytest.mark.fault(
    "Odd home paths",
    tried="homes with ? # % & ; : quotes, spaces and other scripts in their path",
    happens="the database is in that home and nowhere else",
)
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_home_of_any_name_has_its_own_database(tmp_path: Path, name: str) -> None:
    home = Home.open(tmp_path / name, environ={})
    with Store.open(home.database) as store:
        store.create_run("r-1")
        assert store.flush()
        assert store.run("r-1") is not None
        store.backup(home.root / "backups" / "copy.db")
        assert store.upkeep() == "ok"
    assert sorted(path.name for path in home.root.iterdir()) == ["backups", "synapsed.db"]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert check_database(home.database).verdict == "ok"


@pytest.mark.fault(
    "Odd home paths",
    tried="SYNAPSED_DATABASE_URL names a SQLite path with a ?",
    happens="refused in a line, because the rest of the path would be read as options",
)
@pytest.mark.parametrize("tail", ["what?/synapsed.db", "a.db?mode=ro", "a?b=c"])
def test_a_url_cannot_carry_a_question_mark(tmp_path: Path, tail: str) -> None:
    with pytest.raises(UsageError, match=r"a \? begins the options"):
        Store.open(f"sqlite:///{tmp_path}/{tail}")
    assert list(tmp_path.iterdir()) == []
