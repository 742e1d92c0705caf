"""Every older revision leads to head and back, data kept; head is what tables.py declares."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import migrations
from daemon.store import Store, opening, schema
from daemon.store.engine import parse_url, write_engine
from daemon.store.tables import HEAD, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

REVISIONS = schema.revisions()

# A row for every table that a person would miss; a revision that adds a table adds a row here.
ROWS: dict[str, dict[str, Any]] = {
    "runs": {
        "key": 1,
        "id": "r-1",
        "config": {"seed": 7},
        "state": "stopped",
        "degraded": False,
        "created_at": 5.0,
        "session": 1,
        "step": 9,
        "samples": 3,
        "training_seconds": 1.5,
        "latest": {"bpc": 2.5},
        "latest_steps": {"bpc": 9},
        "readings": {},
        "sources": [],
        "rolled_to": 0,
    },
    "sessions": {"key": 1, "run": "r-1", "number": 1, "started_at": 5.0, "first_step": 1, "last_step": 9},
    "metric_names": {"id": 1, "name": "bpc"},
    "metrics": {"session": 1, "step": 9, "time": 5.0, "bpc": 2.5},
    "points": {"session": 1, "metric": 1, "step": 9, "time": 5.0, "value": 0.5},
    "rollups": {
        "run": 1,
        "metric": 1,
        "level": 100,
        "start": 0,
        "step": 9,
        "time": 5.0,
        "min": 1.0,
        "max": 2.0,
        "mean": 1.5,
        "last": 2.0,
        "n": 4,
    },
    "readings": {
        "key": 1,
        "run": "r-1",
        "session": 1,
        "name": "phi",
        "step": 9,
        "time": 5.0,
        "value": 0.5,
        "samples": 64,
        "version": "1",
        "cost_ms": 2.0,
        "detail": {"nats": 0.1},
    },
    "events": {
        "seq": 1,
        "kind": "limit_reached",
        "severity": "info",
        "time": 5.0,
        "message": "m",
        "data": {"limit": "steps"},
    },
    "checkpoints": {
        "name": "continuous_1",
        "created_at": 5.0,
        "pinned": True,
        "verified": True,
        "best": False,
    },
    "operations": {"id": "o-1", "action": "stop", "state": "done", "created_at": 5.0},
    "answers": {"key": "k", "endpoint": "POST /runs", "body_hash": "ab", "status": 201, "created_at": 5.0},
    "forgetting": {
        "key": 1,
        "run": "r-1",
        "session": 1,
        "source": "books",
        "step": 30,
        "time": 1.75e9,
        "bpc": 2.5,
        "smooth": 2.6,
        "forgetting": 0.1,
    },
    "evaluations": {
        "key": 1,
        "run": "r-1",
        "session": 1,
        "source": "books",
        "step": 9,
        "time": 5.0,
        "bpc": 2.5,
        "accuracy": 0.75,
        "examples": 12,
        "mixed_bpc": 1.75,
    },
    "alarms": {
        "id": "a-1",
        "kind": "phi_falling",
        "severity": "warning",
        "message": "m",
        "data": {},
        "raised_at": 5.0,
    },
    "jobs": {"job": "backup", "paused": True},
    "counters": {"name": "event_seq", "value": 2},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "synapsed.db"


@pytest.fixture
def connection(file: Path) -> Iterator[sa.Connection]:
    engine = write_engine(parse_url(f"sqlite:///{file}"))
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def fill(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """Put a row into every table that is there, in the columns that are there; what was put, by table."""
    found = sa.MetaData()
    found.reflect(connection)
    put = {}
    for table in found.sorted_tables:
        if table.name in ROWS:
            put[table.name] = {name: value for name, value in ROWS[table.name].items() if name in table.c}
            typed = metadata.tables.get(table.name, table)
            connection.execute(sa.insert(typed).values(put[table.name]))
    connection.commit()
    return put


def kept(connection: sa.Connection, put: dict[str, dict[str, Any]]) -> None:
    """Every value put is still there, in the tables and columns that are still there."""
    found = sa.MetaData()
    found.reflect(connection)
    for name, values in put.items():
        if name in found.tables:
            row = connection.execute(sa.select(found.tables[name])).mappings().one()
            for column in values.keys() & row.keys():
                if not isinstance(values[column], dict | list):
                    assert row[column] == values[column], (name, column)
    connection.rollback()


def test_the_tables_are_those_of_the_newest_revision(connection: sa.Connection) -> None:
    schema.upgrade(connection)
    connection.commit()
    context = MigrationContext.configure(connection, opts={"compare_type": True})

    assert compare_metadata(context, metadata) == []
    assert REVISIONS[-1] == HEAD == schema.revision_of(connection)


def test_every_table_has_a_row_to_be_kept() -> None:
    assert sorted(ROWS) == sorted(metadata.tables)


@pytest.mark.parametrize("older", REVISIONS)
def test_from_every_older_revision_up_and_back_with_its_data(connection: sa.Connection, older: str) -> None:
    schema.upgrade(connection, to=older)
    connection.commit()
    put = fill(connection)

    schema.upgrade(connection)
    connection.commit()
    kept(connection, put)

    schema.downgrade(connection, older)
    connection.commit()
    kept(connection, put)
    assert schema.revision_of(connection) == older


@pytest.mark.parametrize("older", ["base", *REVISIONS])
def test_down_and_up_again_ends_at_the_same_tables(connection: sa.Connection, older: str) -> None:
    schema.upgrade(connection)
    connection.commit()
    schema.downgrade(connection, older)
    connection.commit()
    schema.upgrade(connection)
    connection.commit()

    assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_store_opens_a_database_of_every_older_revision(file: Path, connection: sa.Connection) -> None:
    schema.upgrade(connection, to=REVISIONS[0])
    connection.commit()
    fill(connection)
    connection.close()

    with Store.open(f"sqlite:///{file}") as store:
        run = store.run("r-1")
        assert run is not None
        assert run["config"] == {"seed": 7}
        series = store.series("r-1", ["bpc"])
        assert series is not None
        assert series["metrics"]["bpc"]["last"] == [2.5]


def test_fed_text_and_answers_of_an_older_database_are_taken_out(
    file: Path, connection: sa.Connection
) -> None:
    schema.upgrade(connection, to="0006")
    tables = metadata.tables
    message = "30 bytes of experience from api: 'my number is 4711'"
    data = {"num_bytes": 30, "origin": "api", "excerpt": "my number is 4711"}
    fed = ROWS["events"] | {"kind": "experience_pushed", "message": message, "data": data}
    connection.execute(sa.insert(tables["events"]), [fed, ROWS["events"] | {"seq": 2}])
    answer = ROWS["answers"] | {"response": {"text": "my number is 4711"}}
    asked = [answer | {"endpoint": f"POST /api/v1/runs/r-1/{noun}"} for noun in ("generate", "remembers")]
    connection.execute(sa.insert(tables["answers"]), [*asked, ROWS["answers"] | {"response": None}])
    connection.commit()
    connection.close()

    with Store.open(f"sqlite:///{file}") as store:
        assert store.flush()
        other, event = store.events().items
        assert (event["message"], event["data"]) == (
            "30 bytes of text were fed (from api)",
            {"num_bytes": 30, "origin": "api"},
        )
        assert other["message"] == ROWS["events"]["message"]
        assert store.recall_answer("k", asked[0]["endpoint"]) is None
        assert store.recall_answer("k", "POST /runs") is not None
        here = [path for path in file.parent.iterdir() if path.name != f"{file.name}.before-{HEAD}"]
        assert [path.name for path in here if b"4711" in path.read_bytes()] == []


def test_a_file_is_kept_beside_before_its_schema_changes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a revision of tomorrow: the upgrade runs, the data stays, the file as it was stays beside it."""
    with Store.open(f"sqlite:///{file}") as store:
        store.create_run("r-1")
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "9001_tomorrow.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "9001"\ndown_revision = "{HEAD}"\nbranch_labels = None\ndepends_on = None\n\n\n'
        'def upgrade():\n    with op.batch_alter_table("runs") as runs:\n'
        '        runs.add_column(sa.Column("mood", sa.Text()))\n\n\n'
        'def downgrade():\n    with op.batch_alter_table("runs") as runs:\n        runs.drop_column("mood")\n'
    )
    upgrade = schema.upgrade
    monkeypatch.setattr(opening, "HEAD", "9001")
    monkeypatch.setattr(schema, "revisions", lambda scripts=scripts: [*REVISIONS, "9001"])
    monkeypatch.setattr(schema, "upgrade", lambda connection: upgrade(connection, scripts=scripts))

    with Store.open(f"sqlite:///{file}") as store:
        assert store.run("r-1") is not None
    assert revision_in(file) == "9001"
    assert revision_in(file.with_name("synapsed.db.before-9001")) == HEAD


def revision_in(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_the_alembic_command_does_the_same(file: Path) -> None:
    folder = Path(migrations.__file__).parent
    command = [
        sys.executable,
        "-m",
        "alembic",
        "-c",
        str(folder / "alembic.ini"),
        "-x",
        f"url=sqlite:///{file}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder.parent)}
    for step in (["upgrade", "head"], ["check"]):
        done = subprocess.run(
            [*command, *step], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    assert revision_in(file) == HEAD


def test_a_start_with_an_up_to_date_database_does_not_import_alembic(file: Path) -> None:
    Store.open(f"sqlite:///{file}").close()
    program = (
        "import sys; from daemon.store import Store; Store.open(sys.argv[1]).close(); "
        "print([name for name in ('alembic', 'torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"sqlite:///{file}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
