"""Opening: made, migrated, refused in a line, or moved aside when damaged."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.errors import DaemonError, UsageError
from daemon.events import LimitReached
from daemon.store import Store
from daemon.store.opening import mark_suspect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.store.conftest import FakeClock, OpenStore


def execute(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement).fetchall()


def dumped(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def filled(open_store: OpenStore) -> None:
    store = open_store()
    store.create_run("r-1")
    store.start_session("r-1", 1, first_step=0)
    store.add_columns("r-1", 1, {"step": list(range(5000)), "time": [1.0] * 5000, "bpc": [2.0] * 5000})
    store.add_event(LimitReached(limit="steps").record())
    store.close()


def test_a_database_is_made_with_its_folder(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "some" / "folder" / "synapsed.db"
    with Store.open(f"sqlite:///{file}", clock=clock) as store:
        assert store.file == file
        assert store.notices == []
        assert execute(file, "PRAGMA journal_mode") == [("wal",)]
        assert execute(file, "PRAGMA auto_vacuum") == [(2,)]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is not a database URL"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("oddbase://host/name", "no driver for oddbase"),
        ("mysql+pymysql://host/name", "is not installed"),
    ],
)
def test_a_url_that_cannot_serve_is_refused_in_a_line(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        Store.open(url)
    assert "\n" not in str(refused.value)


def test_a_place_that_is_a_folder_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="cannot be opened: it is a folder; move it away") as refused:
        Store.open(f"sqlite:///{tmp_path}")
    assert "\n" not in str(refused.value)


def test_a_database_newer_than_the_program_is_left_alone(open_store: OpenStore, file: Path) -> None:
    open_store().close()
    execute(file, "UPDATE alembic_version SET version_num = '9999'")
    before = dumped(file)

    with pytest.raises(DaemonError, match="revision 9999, newer than this synapsed"):
        open_store()
    assert dumped(file) == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["synapsed.db"]


@pytest.mark.parametrize("length", [100, 10_000])
def test_a_file_that_is_no_database_is_moved_aside(
    open_store: OpenStore, file: Path, clock: FakeClock, length: int
) -> None:
    file.write_bytes(b"not a database " * length)

    store = open_store()

    aside = file.with_name(f"synapsed.db.damaged-{int(clock.now)}")
    assert aside.read_bytes() == b"not a database " * length
    assert len(store.notices) == 1
    assert "damaged" in store.notices[0]
    assert aside.name in store.notices[0]
    assert store.runs().items == []


def test_a_damaged_page_is_found_after_an_unclean_end(
    open_store: OpenStore, file: Path, tmp_path: Path
) -> None:
    filled(open_store)
    execute(file, "UPDATE counters SET value = 0 WHERE name = 'clean'")
    damage(file)

    store = open_store()

    assert len(store.notices) == 1
    assert store.runs().items == []
    assert len(list(tmp_path.glob("synapsed.db.damaged-*"))) == 1


def test_a_second_damaged_file_keeps_the_first(open_store: OpenStore, file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        file.write_bytes(b"not a database " * 100)
        open_store().close()

    assert len(list(tmp_path.glob("synapsed.db.damaged-*"))) == 2


def test_a_suspect_file_is_checked_although_it_closed_cleanly(open_store: OpenStore, file: Path) -> None:
    filled(open_store)
    damage(file)
    mark_suspect(file)

    assert len(open_store().notices) == 1
    assert not file.with_name("synapsed.db-suspect").exists()


def test_a_sound_file_passes_its_check_after_a_crash(
    open_store: OpenStore, file: Path, tmp_path: Path, clock: FakeClock
) -> None:
    store = open_store()
    store.create_run("r-1")
    store.flush()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for left in file.parent.glob("synapsed.db*"):
        shutil.copy(left, crashed)

    with Store.open(f"sqlite:///{crashed / 'synapsed.db'}", clock=clock) as after:
        assert after.notices == []
        assert [run["id"] for run in after.runs().items] == ["r-1"]


def test_damage_met_while_reading_is_reported_and_checked_at_the_next_start(
    open_store: OpenStore, file: Path
) -> None:
    filled(open_store)
    damage(file)
    store = open_store()

    with pytest.raises(DaemonError, match="could not be read: database disk image is malformed"):
        store.series("r-1", ["bpc"], points=20_000)
    assert file.with_name("synapsed.db-suspect").exists()
    store.close()
    assert len(open_store().notices) == 1


def damage(file: Path) -> None:
    """Overwrite the pages that hold metrics, as a failing disk would."""
    (root,) = execute(file, "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = 'metrics'")
    (size,) = execute(file, "PRAGMA page_size")
    offset = (int(str(root[0])) - 1) * int(str(size[0]))
    content = bytearray(file.read_bytes())
    content[offset : offset + 200] = b"\xff" * 200
    file.write_bytes(content)
