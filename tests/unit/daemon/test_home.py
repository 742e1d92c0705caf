"""The home folder: where it is, who may ask, and that one daemon holds it."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from daemon.errors import HomeBusyError, UsageError
from daemon.home import Home
from daemon.system.process_identity import process_identity


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_named_home_comes_before_the_environment_and_that_before_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"SYNAPSED_HOME": str(tmp_path / "from-environment")}
    assert Home.open(tmp_path / "named", environ=environ).root == tmp_path / "named"
    assert Home.open(None, environ=environ).root == tmp_path / "from-environment"
    assert Home.open(None, environ={}).root == tmp_path
    assert (tmp_path / "named").is_dir()


def test_the_flag_names_the_home_only_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.open(None, environ={}).flag == ""
    assert Home.open(tmp_path / "my home", environ={}).flag == f" --home '{tmp_path / 'my home'}'"
    assert Home.open(tmp_path / "b", environ={"SYNAPSED_HOME": str(tmp_path / "b")}).flag == ""


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="it is a file; choose another with --home"):
        Home.open(tmp_path / "file", environ={})


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="not writable"):
            Home.open(tmp_path, environ={})
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_what_was_read_and_fed_is_its_owners_alone(home: Home) -> None:
    folders = (home.checkpoints, home.replay, home.logs, home.cache, home.backups)
    assert {folder.stat().st_mode & 0o077 for folder in folders} == {0}


def test_only_looking_makes_no_home(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        Home.open(tmp_path / "nowhere", environ={}, create=False)
    assert not (tmp_path / "nowhere").exists()


def test_the_token_is_made_once_for_its_owner_alone(home: Home) -> None:
    token = home.token()
    assert len(token) >= 32
    assert home.token() == token
    assert mode(home.root / "token") == 0o600
    assert [path.name for path in home.root.iterdir() if "token" in path.name] == ["token"]


def test_makers_at_the_same_moment_agree_on_one_token(home: Home) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: home.token(), range(16)))
    assert len(tokens) == 1


def test_the_environment_overrides_the_token_and_writes_nothing(tmp_path: Path) -> None:
    home = Home.open(tmp_path, environ={"SYNAPSED_TOKEN": "given"})
    assert home.token() == "given"
    assert not (tmp_path / "token").exists()


def test_a_token_others_can_read_is_shut_and_reported(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    token = home.token()
    (home.root / "token").chmod(0o644)
    assert home.token() == token
    assert mode(home.root / "token") == 0o600
    assert "others could read" in caplog.text


def test_an_empty_token_file_is_replaced(home: Home) -> None:
    (home.root / "token").write_text("\n")
    (home.root / "token").chmod(0o600)
    token = home.token()
    assert len(token) >= 32
    assert home.token() == token


def test_the_database_is_in_the_home_unless_the_environment_names_another(tmp_path: Path) -> None:
    assert Home.open(tmp_path, environ={}).database == tmp_path / "synapsed.db"
    environ = {"SYNAPSED_DATABASE_URL": "postgresql+psycopg://localhost/brain"}
    assert Home.open(tmp_path, environ=environ).database == environ["SYNAPSED_DATABASE_URL"]


HOLD = """
import sys
from pathlib import Path
from daemon.home import Home
home = Home.open(Path(sys.argv[1]))
with home.lock():
    home.write_daemon_file(port=4711, url="http://127.0.0.1:4711")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_gets_the_address_and_a_killed_one_lets_go(home: Home) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        other = home.read_daemon_file()
        assert other is not None
        assert (other.pid, other.port) == (holder.pid, 4711)
        with pytest.raises(HomeBusyError, match=r"http://127\.0\.0\.1:4711 \(pid \d+\)"), home.lock():
            pass
        holder.kill()
        holder.wait(timeout=10)
        with home.lock():  # the kernel let go of it
            assert home.read_daemon_file() is None  # and its file counts for nothing


def test_the_lock_takes_the_daemon_file_away_when_it_ends(home: Home) -> None:
    with home.lock():
        written = home.write_daemon_file(port=1, url="http://127.0.0.1:1")
        assert home.read_daemon_file() == written
    assert not (home.root / "daemon.json").exists()


def test_neither_a_clock_nor_a_pid_decides_who_lives(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with home.lock():
        written = home.write_daemon_file(port=1, url="http://127.0.0.1:1")
        created_at = psutil.Process().create_time()
        monkeypatch.setattr(psutil.Process, "create_time", lambda _: created_at + 3600)  # as after a step
        assert home.read_daemon_file() == written
        path = home.root / "daemon.json"
        kept = path.read_text()
        path.write_text(json.dumps({**json.loads(kept), "pid": 2**22 + 1}))  # in a container of its own
        assert home.read_daemon_file() is not None
    path.write_text(kept)  # killed: its file stays, and its pid is another's now
    assert home.read_daemon_file() is None


def test_a_file_of_an_older_or_a_newer_version_is_read(home: Home) -> None:
    with home.lock():
        home.write_daemon_file(port=1, url="http://127.0.0.1:1")
        path = home.root / "daemon.json"
        content = json.loads(path.read_text())
        del content["identity"]
        path.write_text(json.dumps({**content, "of_later": True}))
        info = home.read_daemon_file()
        assert info is not None
        assert (info.port, info.identity) == (1, "")


def test_who_takes_a_home_clears_the_file_of_the_one_that_died(home: Home) -> None:
    home.write_daemon_file(port=1, url="http://127.0.0.1:1")
    with home.lock():
        assert home.read_daemon_file() is None, "it does not answer yet"


def test_a_look_does_not_keep_a_daemon_from_its_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with home.lock():
        pass
    with (home.root / "LOCK").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr("daemon.home.time.sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        with home.lock():
            pass


def test_a_lock_that_was_deleted_lets_no_second_daemon_in(home: Home, tmp_path: Path) -> None:
    script = "import sys; print('ready', flush=True); sys.stdin.read()"
    living = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert living.stdin is not None
    assert living.stdout is not None
    with living.stdin, living.stdout:
        living.stdout.readline()
        written = dataclasses.asdict(home.write_daemon_file(port=4711, url="http://127.0.0.1:4711"))
        written |= {"pid": living.pid, "identity": process_identity(living.pid)}
        (home.root / "daemon.json").write_text(json.dumps(written))
        assert not (home.root / "LOCK").exists()
        found = home.read_daemon_file()
        assert found is not None
        assert found.pid == living.pid
        with pytest.raises(HomeBusyError, match=f"pid {living.pid}"), home.lock():
            pass
        living.kill()
        living.wait(timeout=20)
    with home.lock():
        assert home.read_daemon_file() is None


@pytest.mark.parametrize("name", ["mkdir", "open"])
def test_a_home_in_which_nothing_can_be_made_is_a_line(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, name, read_only)
    with (
        pytest.raises(UsageError, match=r"(?i)cannot work in the home .*: read-only file system"),
        home.lock(),
    ):
        pass


def test_without_locks_the_process_itself_is_looked_at(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    written = home.write_daemon_file(port=1, url="http://127.0.0.1:1")

    def unknown(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    with home.lock():
        pass
    (home.root / "daemon.json").write_text(json.dumps(dataclasses.asdict(written)))
    monkeypatch.setattr(fcntl, "flock", unknown)
    assert home.read_daemon_file() == written
    path = home.root / "daemon.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "identity": "another boot 17"}))
    assert home.read_daemon_file() is None
    path.write_text(json.dumps({**json.loads(path.read_text()), "identity": ""}))
    assert home.read_daemon_file() is not None
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": 2**22 + 1}))
    assert home.read_daemon_file() is None
    with pytest.raises(UsageError, match="does not support locks"), home.lock():
        pass


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"pid": 1}', '{"pid": "x", "started_at": 0, "port": 1, "url": ""}']
)
def test_a_damaged_daemon_file_is_ignored(home: Home, content: str) -> None:
    with home.lock():
        (home.root / "daemon.json").write_text(content)
        assert home.read_daemon_file() is None
