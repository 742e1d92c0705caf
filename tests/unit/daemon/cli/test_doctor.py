"""`synapsed doctor` names what is missing, and fails only for what a run needs."""

from __future__ import annotations

import shutil
import socket
import webbrowser
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.cli import doctor

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

CHECKS = {"python", "home", "disk", "port", "torch", "device", "browser", "database"}


def test_everything_is_examined(call: Call) -> None:
    called = call("doctor", "--port", "0", "--json")
    findings = {finding["check"]: finding for finding in called.json()}
    assert set(findings) == CHECKS
    assert called.code == 0
    assert findings["database"]["detail"].endswith("is made at the first start")


def test_a_person_gets_a_table(call: Call) -> None:
    out = call("doctor", "--port", "0").out
    assert all(check in out for check in CHECKS)


def test_a_running_daemon_is_no_failure_of_the_port(call: Call, daemon: FakeDaemon) -> None:
    called = call("doctor", "--port", str(daemon.port))
    assert called.code == 0
    assert f"a daemon answers at {daemon.url}" in called.out


def test_a_port_in_use_fails(call: Call) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        called = call("doctor", "--port", str(taken.getsockname()[1]))
    assert called.code == 1
    assert "cannot be used" in called.out


def test_a_home_that_is_not_there_fails_and_is_not_made(call: Call, tmp_path: Path) -> None:
    called = call("doctor", "--home", str(tmp_path / "none"), "--port", "0")
    assert called.code == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(2**40, "ok"), (2**31, "warning"), (2**20, "failed")],
    ids=["room", "little", "none"],
)
def test_the_disk_is_judged_by_its_room(free: int, verdict: str) -> None:
    assert doctor.check_disk(Path(), free=lambda _: free).verdict == verdict


@pytest.mark.parametrize(("version", "verdict"), [("2.13.0+cpu", "ok"), ("2.9.1", "failed"), ("10.0", "ok")])
def test_torch_is_judged_by_its_version_without_importing_it(version: str, verdict: str) -> None:
    assert doctor.check_torch(lambda _: version).verdict == verdict


def test_torch_may_be_missing() -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert doctor.check_torch(missing).verdict == "failed"


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite:////nowhere/at/all/x.db?mode=ro&uri=1&x", "mysqlx://a/b"]
)
def test_a_database_that_cannot_be_had_fails_in_one_line(url: str, tmp_path: Path) -> None:
    finding = doctor.check_database(url)
    assert finding.verdict in ("failed", "ok")
    assert "\n" not in finding.detail


def test_a_database_that_answers_is_named_without_its_password(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    assert doctor.check_database(f"sqlite:///{path}") == doctor.Finding("database", "ok", str(path))


def test_a_damaged_database_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database at all" * 100)
    assert doctor.check_database(f"sqlite:///{path}").verdict == "failed"


def test_a_browser_on_the_path_is_found_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_registered() -> None:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", none_registered)
    monkeypatch.setattr(shutil, "which", {"chromium": "/usr/bin/chromium"}.get)
    assert doctor.check_browser().verdict == "ok"
    assert doctor.check_browser().detail.startswith("/usr/bin/chromium;")
    monkeypatch.setattr(shutil, "which", {}.get)
    assert doctor.check_browser().verdict == "warning"
