"""Commands that list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from daemon.home import Home
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call


def test_runs_are_a_table_or_json(call: Call, daemon: FakeDaemon) -> None:
    out = call("runs").out
    assert "r-1" in out
    assert "2m 34s" in out
    assert "\n" in out
    assert [run["id"] for run in call("runs", "--json").json()] == ["r-1"]
    daemon.runs.clear()
    assert "No run has been started" in call("runs").out


def test_checkpoints_come_from_the_daemon_when_one_runs(call: Call, daemon: FakeDaemon) -> None:
    assert "23.0 MiB" in call("checkpoints").out
    assert call("checkpoints", "--run", "r-1", "--json").json() == daemon.checkpoints
    assert daemon.asked[-1][2]["run"] == "r-1"


def test_checkpoints_and_runs_show_the_loss_that_status_shows(call: Call, daemon: FakeDaemon) -> None:
    daemon.runs["r-1"].latest = {"bpc": 4.5, "recent_bpc": 2.52}
    daemon.checkpoints[0] |= {"bpc": 3.934, "recent_bpc": 2.52}
    head, row = (" ".join(line.split()) for line in call("checkpoints").out.splitlines()[:2])
    assert " bpc smooth bpc " in head
    assert " 2.520 3.934 " in row
    assert "BPC=2.52" in call("status").out
    assert " 2.520 " in call("runs").out
    del daemon.checkpoints[0]["recent_bpc"]  # saved before there was one
    assert " – 3.934 " in " ".join(call("checkpoints").out.split())


def test_checkpoints_come_from_the_disk_when_none_runs(call: Call) -> None:
    assert "There is no checkpoint" in call("checkpoints").out
    assert call("checkpoints", "--json").json() == []


def test_damaged_checkpoints_are_counted(call: Call, home: Home) -> None:
    aside = home.checkpoints / "damaged-continuous_1"
    aside.mkdir()
    (aside / "model.safetensors").write_bytes(b"x" * 2048)
    out = call("checkpoints").out
    assert "1 damaged kept aside" in out
    assert "(2.0 KiB): damaged-continuous_1. Nobody deletes them but you" in out


def test_events_read_downwards(call: Call, daemon: FakeDaemon) -> None:
    daemon.events.clear()
    for text in ("oldest", "newest"):
        daemon.note(daemon.runs["r-1"], "checkpoint_saved", text)
    lines = call("events").out.splitlines()
    assert [line.split()[-1] for line in lines] == ["oldest", "newest"]
    call("events", "--run", "r-1", "--kind", "checkpoint_saved")
    assert daemon.asked[-1][1:] == ("/runs/r-1/events", {"limit": "30", "kind": "checkpoint_saved"})


def test_the_schedule_is_listed_changed_and_run(call: Call, daemon: FakeDaemon) -> None:
    assert "Copy the database" in call("schedule").out
    assert call("schedule", "backup", "--pause", "--json").json()["paused"] is True
    assert daemon.asked[-1] == ("PATCH", "/schedule/backup", {"paused": True})
    assert call("schedule", "backup", "--run").out == "backup: done\n"
    assert "no job is called 'backap'; did you mean backup?" in call("schedule", "backap").err


def test_presets_and_brains_need_no_daemon(call: Call) -> None:
    assert "default" in call("presets").out
    names = [preset["name"] for preset in call("presets", "--json").json()]
    assert {"default", "tiny"} <= set(names)
    assert "brain.hidden_size = " in call("brains").out
    assert call("brains", "--json").json()[0]["settings"]["type"] == "object"


@pytest.mark.parametrize("command", ["runs", "events", "presets"])
def test_a_table_in_a_pipe_does_not_wrap(call: Call, daemon: FakeDaemon, command: str) -> None:
    lines = call(command).out.splitlines()
    assert all(line.strip() for line in lines)


def test_alarms_are_listed_with_their_remedy_and_acknowledged(call: Call, daemon: FakeDaemon) -> None:
    assert call("alarms").out == "There are no alarms.\n"
    alarm = daemon.alarm(
        daemon.runs["r-1"], "agency_low", "warning", "No sense of control", "Raise the learning rate"
    )
    out = call("alarms", "--run", "r-1").out
    assert out.startswith("! No sense of control")
    assert alarm["id"] in out
    assert ", up\n" in out
    assert daemon.asked[-1][2] == {"limit": "30", "run": "r-1", "active": "true"}
    assert call("alarms", "--all", "--json").json() == [alarm]
    assert "active" not in daemon.asked[-1][2]
    assert call("alarms", "--acknowledge", alarm["id"]).out == "agency_low of r-1: acknowledged\n"
    assert alarm["acknowledged_at"] is not None
