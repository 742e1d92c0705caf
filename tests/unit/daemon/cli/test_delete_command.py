"""`synapsed delete`: what goes is shown, the name is typed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from daemon.store.store import Store

if TYPE_CHECKING:
    from daemon.home import Home
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_it_shows_what_goes_and_has_the_name_typed(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = daemon.runs["r-1"].name
    type_in(monkeypatch, f"{name}\n")
    done = call("delete", "r-1")
    assert done.code == 0, done.err
    assert "23.0 MiB" in done.err
    assert f"Type its name ({name}) or its id" in done.err
    assert f"{name} (r-1) is deleted" in done.out
    assert daemon.runs == {}


@pytest.mark.parametrize(
    ("typed", "message"), [("nonsense\n", "type the run's name"), ("", "nobody confirmed")]
)
def test_what_is_typed_otherwise_deletes_nothing(
    call: Call, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, typed: str, message: str
) -> None:
    type_in(monkeypatch, typed)
    done = call("delete", "r-1")
    assert done.code == 2
    assert message in done.err
    assert "r-1" in daemon.runs


def test_a_script_passes_yes_and_gets_json(call: Call, daemon: FakeDaemon) -> None:
    gone = call("delete", daemon.runs["r-1"].name, "--yes", "--pinned", "--json").json()
    assert gone["run"] == "r-1"
    assert daemon.asked[-1][:2] == ("DELETE", "/runs/r-1")


def test_an_unknown_run_is_one_line(call: Call, daemon: FakeDaemon) -> None:
    done = call("delete", "r-none", "--yes")
    assert done.code == 5
    assert done.err == "synapsed: there is no run r-none; list them: synapsed runs\n"
    assert "r-1" in daemon.runs


@pytest.mark.parametrize("given", ["", "  "])
def test_an_empty_name_is_seen(call: Call, daemon: FakeDaemon, given: str) -> None:
    for command in (["delete", given, "--yes"], ["status", "--run", given], ["pause", "--run", given]):
        done = call(*command)
        assert (done.code, done.err) == (
            5,
            f'synapsed: there is no run "{given}"; list them: synapsed runs\n',
        )


def test_a_run_whose_name_cannot_be_typed_is_deleted(
    call: Call, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(home.database) as store:
        for number, name in enumerate((" of old ", "two\nlines", "\x1b")):
            store.create_run(f"r-{number}", name=name, state="finished", config={})
            (home.replay / f"r-{number}").mkdir()
    type_in(monkeypatch, "of old\n")
    assert call("delete", "of old").code == 0
    type_in(monkeypatch, "two lines\n")
    assert call("delete", "r-1").code == 0
    type_in(monkeypatch, "\n")
    assert call("delete", "r-2").code == 2
    type_in(monkeypatch, "r-2\n")
    assert call("delete", "r-2").code == 0


def test_it_works_where_no_daemon_lives(call: Call, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(home.database) as store:
        store.create_run("r-9", name="old one", state="finished", config={})
    (home.replay / "r-9").mkdir()
    type_in(monkeypatch, "another\n")
    assert call("delete", "old one").code == 2
    assert (home.replay / "r-9").is_dir()
    gone = call("delete", "old one", "--yes", "--json").json()
    assert gone == {"run": "r-9", "name": "old one", "num_checkpoints": 0, "freed_bytes": 0, "kept_for": []}
    assert list(home.replay.iterdir()) == []
    assert call("delete", "r-9", "--yes").code == 5
    with Store.open(home.database) as store:
        assert [event["kind"] for event in store.events().items] == ["run_deleted"]
