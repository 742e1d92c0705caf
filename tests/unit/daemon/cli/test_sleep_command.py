"""`synapsed sleep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

ACTIONS = "/runs/r-1/actions"


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
