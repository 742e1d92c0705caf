"""A copy of the database while a run learns: it ends, it is whole, and it lets go when the daemon does."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.errors import DaemonError
from daemon.store import Store, copying, maintenance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.faults]

KIND = "Database backup"
NUM_PAGES_AT_LEAST = 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database of some hundred pages, copied one page at a time."""
    with Store.open(tmp_path / "synapsed.db") as opened:
        opened.create_run("r-1")
        opened.start_session("r-1", 1, first_step=0)
        steps = list(range(5000))
        opened.add_columns("r-1", 1, {"step": steps, "time": steps, "bpc": [2.0] * len(steps)})
        assert opened.flush()
        yield opened


@pytest.fixture
def by_single_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_PAGES", 1)


class Pace:
    """Commits a step of the run between any two pages of a copy, and counts the pages."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.num_pages = 0

    def __call__(self, _left: int) -> None:
        self.num_pages += 1
        assert self.num_pages < 20_000, "the copy starts over with every commit"
        if self.num_pages <= 200:
            step = 5000 + self.num_pages
            self._store.add_columns("r-1", 1, {"step": [step], "time": [1.0], "bpc": [1.0]})
            assert self._store.flush()


@pytest.mark.fault(
    "Database backup",
    tried="a step is committed between any two pages of the copy",
    happens="the copy is consistent, as of the moment at which it began",
)
@pytest.mark.usefixtures("by_single_pages")
def test_a_copy_ends_while_a_run_commits_all_the_time(store: Store, tmp_path: Path) -> None:
    pace = Pace(store)
    size = maintenance.backup(store.url, tmp_path / "copies" / "copy.db", on_pages=pace)

    page_size = 4096
    assert NUM_PAGES_AT_LEAST < pace.num_pages == size // page_size
    with closing(sqlite3.connect(tmp_path / "copies" / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT max(step) FROM metrics").fetchone() == (4999,)
    assert store.degraded is None


@pytest.mark.fault(
    "Database backup",
    tried="the daemon stops in the middle of a copy, or more is written than the log may hold",
    happens="the copy is abandoned at once and removed; the copy of the day before stays",
)
@pytest.mark.usefixtures("by_single_pages")
@pytest.mark.parametrize("why", ["the daemon stops", "was written meanwhile"])
def test_a_copy_is_given_up(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    stop = threading.Event()
    if why.startswith("was"):
        monkeypatch.setattr(copying, "LOG_GROWTH_BYTES", 0)
    pace = Pace(store)

    def on_pages(left: int) -> None:
        pace(left)
        if why.startswith("was"):
            steps = [10_000 * pace.num_pages + step for step in range(2000)]
            store.add_columns("r-1", 1, {"step": steps, "time": steps, "bpc": [1.0] * len(steps)})
            assert store.flush()
        else:
            stop.set()

    copy = tmp_path / "copy.db"
    copy.write_bytes(b"of the day before")
    with pytest.raises(DaemonError, match=why):
        maintenance.backup(store.url, copy, stop=stop, on_pages=on_pages)
    assert pace.num_pages < 60
    assert copy.read_bytes() == b"of the day before"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.fault(
    "Database backup",
    tried="the copy comes out damaged; a copy before it was killed half-way",
    happens="it replaces no older copy, an error reports it; the partial copy is removed",
)
def test_a_damaged_copy_replaces_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    (copy.parent / ".older.db.partial").write_bytes(b"half")
    store.backup(copy)
    assert [path.name for path in copy.parent.iterdir()] == ["copy.db"]
    before = copy.read_bytes()

    monkeypatch.setattr(copying, "quick_check", lambda _connection: "*** in database main *** page 7 is torn")
    with pytest.raises(DaemonError, match="page 7 is torn"):
        store.backup(copy)
    assert copy.read_bytes() == before


@pytest.mark.fault(
    "Database backup",
    tried="the umask lets everybody read; older copies and the database are open to all",
    happens="database, log and copies are readable by their owner alone (mode 600)",
)
def test_nobody_else_reads_database_or_copies(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = tmp_path / "synapsed.db"
        Store.open(file).close()
        file.chmod(0o644)
        (tmp_path / "synapsed.db.before-0002").touch(0o666)
        older = tmp_path / "copies" / "older.db"
        older.parent.mkdir()
        older.touch(0o666)
        with Store.open(file) as store:
            store.create_run("r-1")
            assert store.flush()
            store.backup(tmp_path / "copies" / "newer.db")
            found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*.db*")}
    finally:
        os.umask(before)
    assert set(found.values()) == {0o600}
    assert {"synapsed.db", "synapsed.db-wal", "synapsed.db-shm", "older.db", "newer.db"} <= set(found)


@pytest.mark.fault(
    "Database backup",
    tried="the daily check of the database when the daemon stops, and beside a reader that will not end",
    happens="the check is abandoned without waiting for the reader; the writer continues",
)
def test_the_daily_check_keeps_nobody_waiting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.file is not None
    with closing(sqlite3.connect(store.file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM metrics").fetchone()
        store.add_columns("r-1", 1, {"step": [9000], "time": [1.0], "bpc": [1.0]})
        assert store.flush()
        assert store.upkeep() == "ok"
        store.add_columns("r-1", 1, {"step": [9001], "time": [1.0], "bpc": [1.0]})
        assert store.flush()
        assert store.degraded is None

    monkeypatch.setattr(copying, "LOOK_EVERY", 1)
    store._leaving.set()
    assert store.upkeep() == "tidied, not checked to the end: the daemon stops"


@pytest.mark.fault(
    "Database backup",
    tried="the daily check finds damage",
    happens="the job fails with the damage named, and the next start looks at the whole file",
)
def test_damage_found_by_the_check_is_no_success(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.file is not None
    monkeypatch.setattr(maintenance, "quick_check", lambda _connection: "page 7 is torn")
    with pytest.raises(DaemonError, match=r"is damaged \(page 7 is torn\)\. Restart"):
        store.upkeep()
    assert store.file.with_name("synapsed.db-suspect").exists()
