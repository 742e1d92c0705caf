"""The same store on PostgreSQL: a private server in a temporary folder, on a Unix socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from daemon.errors import DaemonError
from daemon.events import LimitReached
from daemon.store import Store, schema
from daemon.store.engine import parse_url, write_engine
from daemon.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgres

# PostgreSQL refuses to run as root; whoever of these is there runs it then.
UNPRIVILEGED = ("postgres", "nobody")


def programs() -> Path | None:
    """The folder of the newest installed server's programs."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    found = [str(path) for path in installed] + [path for path in [shutil.which("initdb")] if path]
    return Path(found[0]).parent if found else None


class Server:
    """A PostgreSQL server that listens on a socket in its own folder and nowhere else."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin = bin_folder
        self._folder = folder
        self._user = next((name for name in UNPRIVILEGED if _known(name)), None) if _is_root() else None
        if self._user is not None:
            shutil.chown(folder, self._user)

    def start(self) -> None:
        self._run("initdb", "-D", str(self._data), "-U", "synapsed", "-A", "trust", "--no-sync")
        self.restart("start")

    def restart(self, how: str = "restart") -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}' -c fsync=off"
        log = str(self._folder / "log")
        self._run(
            "pg_ctl",
            how,
            "-D",
            str(self._data),
            "-w",
            "-t",
            "60",
            "-m",
            "immediate",
            "-l",
            log,
            "-o",
            options,
        )

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "immediate", "-w")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://synapsed@/{database}?host={self._folder}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if self._user is not None:
            command = ["runuser", "-u", self._user, "--", *command]
        # Output goes to a file: the server would keep a pipe open for as long as it runs.
        with (self._folder / "output").open("w+") as output:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                timeout=120,
                check=False,
                cwd="/",
            )
            output.seek(0)
            assert done.returncode == 0, output.read()


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _known(name: str) -> bool:
    import pwd  # noqa: PLC0415 - there is none on Windows

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'synapsed[postgres]'")
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    # A short path: a socket's may have no more than a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="synapsed-pg-"))
    folder.chmod(0o755)
    server = Server(bin_folder, folder)
    try:
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of this test's own."""
    name = f"test_{abs(hash(request.node.name))}"
    engine = sa.create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.url(name)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def test_what_is_written_is_read_back(url: str) -> None:
    with Store.open(url) as store:
        assert store.file is None
        store.create_run("r-1", config={"limits": {"steps": 5}}, latest={"bpc": float("nan")})
        store.start_session("r-1", 1, first_step=1)
        steps = list(range(1, 12_001))
        values = [99.0 if step == 7_777 else float("nan") if step == 5 else 2.0 for step in steps]
        store.add_columns("r-1", 1, {"step": steps, "time": [1e9 + step for step in steps], "bpc": values})
        store.add_points("r-1", 1, [("phi", 100, 1e9, 0.5), ("phi", 11_000, 1e9, 0.25)])
        store.start_session("r-1", 2, first_step=11_951)
        store.add_columns("r-1", 2, {"step": [11_951], "time": [2e9], "bpc": [5.0]})
        store.add_readings("r-1", 2, [{"name": "phi", "value": 0.5, "step": 11_951, "detail": {"nats": 0.1}}])
        store.add_evaluations("r-1", 2, [{"source": "books", "bpc": 2.5, "step": 11_951}])
        seq = store.add_event(LimitReached(step=3, limit="steps").record(), run="r-1", session=2)
        store.put_checkpoint("continuous_1", run="r-1", pinned=True)
        store.put_operation("o-1", run="r-1", action="stop", state="done", result={"ok": True})
        store.put_job("backup", paused=True, trigger={"cron": "1 2 * * *"})
        store.remember_answer("k", "POST /runs", body_hash="ab", status=201, response={"id": "r-1"})
        assert store.flush(60)
        assert store.degraded is None

        run = store.run("r-1")
        assert run is not None
        assert (run["limits"]["steps"], run["latest"], run["session"]) == (5, {"bpc": None}, 2)
        exact = store.series("r-1", ["bpc", "phi"], start=11_901, points=100)
        assert exact is not None
        assert exact["metrics"]["bpc"]["last"] == [2.0] * 50 + [5.0]
        coarse = store.series("r-1", ["bpc", "phi"], points=1)
        assert coarse is not None
        assert coarse["metrics"]["bpc"]["max"] == [99.0]
        assert coarse["metrics"]["bpc"]["n"] == [11_950]
        assert coarse["metrics"]["phi"]["last"] == [0.25]
        assert [event["seq"] for event in store.events("r-1").items] == [seq]
        assert store.readings("r-1").items[0]["detail"] == {"nats": 0.1}
        assert store.evaluations("r-1").items[0]["bpc"] == 2.5
        assert store.checkpoints().items[0]["pinned"] is True
        assert store.operation("o-1") is not None
        assert store.jobs()["backup"]["trigger"] == {"cron": "1 2 * * *"}
        assert store.upkeep() == "ok"


def test_it_continues_after_a_restart_of_the_daemon(url: str) -> None:
    record = LimitReached(limit="steps").record()
    with Store.open(url) as store:
        assert store.add_event(record) == 1
        store.create_run("r-1")
        store.add_columns("r-1", 1, {"step": list(range(150)), "time": [1.0] * 150, "bpc": [1.0] * 150})
    with Store.open(url) as store:
        assert store.add_event(record) == 2
        store.add_columns("r-1", 1, {"step": list(range(140, 250)), "time": [1.0] * 110, "bpc": [3.0] * 110})
        store.flush()
        series = store.series("r-1", ["bpc"], points=2)
        assert series is not None
        assert series["metrics"]["bpc"]["n"] == [200, 50]
        assert series["metrics"]["bpc"]["mean"] == pytest.approx([(140 + 60 * 3) / 200, 3.0])


def test_a_server_that_restarts_is_waited_for(server: Server, url: str) -> None:
    with Store.open(url) as store:
        store.create_run("r-1")
        assert store.flush()
        server.restart()
        seq = store.add_event(LimitReached(limit="steps").record())
        assert store.flush(60)
        assert [event["seq"] for event in store.events().items] == [seq]


def test_migrations_lead_to_the_tables_and_back(url: str) -> None:
    engine = write_engine(parse_url(url))
    with engine.connect() as connection:
        schema.upgrade(connection)
        connection.commit()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        for older in ["base", *schema.revisions()]:
            schema.downgrade(connection, "base")
            if older != "base":
                schema.upgrade(connection, to=older)
            schema.upgrade(connection)
            connection.commit()
    engine.dispose()


def test_rows_are_thinned_and_a_run_is_deleted(url: str) -> None:
    with Store.open(url) as store:
        for run in ("r-1", "r-2"):
            store.create_run(run)
            store.start_session(run, 1, first_step=1)
            steps = list(range(1, 3001))
            times = [float(step) for step in steps]
            store.add_columns(run, 1, {"step": steps, "time": times, "bpc": [2.0] * 3000})
            store.add_points(run, 1, [("phi", step, float(step), 0.5) for step in steps])
            store.add_event({"kind": "noted", "message": "x"}, run=run)
        assert store.thin(metric_rows=1000, rollup_rows=1000, history_rows=1) > 9000
        curves = store.series("r-2", ["bpc", "phi"])
        assert curves is not None
        assert [sum(curve["n"]) for curve in curves["metrics"].values()] == [3000, 3000]
        store.remove_run("r-1")
        assert store.run("r-1") is None
        assert store.series("r-1", ["bpc"]) is None
        assert store.run("r-2") is not None


def test_a_copy_to_a_file_is_left_to_the_server(url: str, tmp_path: Path) -> None:
    with Store.open(url) as store, pytest.raises(DaemonError, match="pg_dump"):
        store.backup(tmp_path / "copy.db")


def test_a_server_that_is_not_there_is_reported_in_a_line(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(DaemonError, match="cannot be opened") as refused:
        Store.open(f"postgresql+psycopg://synapsed:secret@/none?host={tmp_path}")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
