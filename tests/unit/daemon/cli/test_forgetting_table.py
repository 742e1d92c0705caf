"""`synapsed forgetting`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

FORGETTING = "/runs/r-1/forgetting"
NOTHING: dict[str, Any] = {
    "mean": None, "worst": None, "backward_transfer": None, "stability_gap": None, "sources": {},
}  # fmt: skip


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
    assert call("forgetting").out == "No frozen probe has been scored yet\n"
    assert call("forgetting", "--json").json() == NOTHING
