"""`synapsed sleep` and `synapsed forgetting`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

ACTIONS, FORGETTING = "/runs/r-1/actions", "/runs/r-1/forgetting"
NOTHING: dict[str, Any] = {
    "mean": None, "worst": None, "backward_transfer": None, "stability_gap": None, "sources": {},
}  # fmt: skip


def test_the_brain_is_put_to_sleep(call: Call, daemon: FakeDaemon) -> None:
    result = {"step": 1234, "steps": 80}
    operation = daemon.operate(daemon.runs["r-1"], "sleep", result)
    daemon.answers["POST", ACTIONS] = (202, operation)
    assert (
        call("sleep", "--steps", "80").out
        == "Sleeping for 80 steps, from step 1,234; follow it: synapsed events\n"
    )
    assert ("POST", ACTIONS, {"action": "sleep", "arguments": {"steps": 80}}) in daemon.asked
    assert call("sleep", "--json").json() == operation
    assert ("POST", ACTIONS, {"action": "sleep", "arguments": {}}) in daemon.asked


def test_a_sleepless_brain_is_one_line(call: Call, daemon: FakeDaemon) -> None:
    daemon.refuse("POST", ACTIONS, 409, "there is nothing to replay yet")
    called = call("sleep")
    assert (called.code, called.err) == (5, "synapsed: there is nothing to replay yet\n")
    assert call("sleep", "--steps", "0").code == 2


def test_what_was_forgotten_is_a_row_for_each_source(call: Call, daemon: FakeDaemon) -> None:
    columns = {"step": [50, 100], "bpc": [2.5, 2.75], "smooth": [2.5, 2.625], "forgetting": [None, 0.125]}
    summary = {"mean": 0.125, "worst": 0.25, "backward_transfer": -0.125, "stability_gap": 0.5}
    daemon.answers["GET", FORGETTING] = (200, {**summary, "sources": {"notes": columns}})
    shown = call("forgetting").out
    assert "notes" in shown
    assert "2.625" in shown
    assert "2.5 " not in shown, "only the newest row"
    assert shown.splitlines()[-1] == (
        "Mean forgetting 0.125 BPC, worst 0.250; backward transfer -0.125, stability gap 0.500"
    )


def test_before_any_probe_it_reports_it(call: Call, daemon: FakeDaemon) -> None:
    daemon.answers["GET", FORGETTING] = (200, NOTHING)
    assert call("forgetting").out == "No frozen probe was scored through yet\n"
    assert call("forgetting", "--json").json() == NOTHING
