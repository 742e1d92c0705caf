"""`synapsed grow`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.daemon.api import test_growth

if TYPE_CHECKING:
    from tests.fake_daemon.world import FakeDaemon
    from tests.unit.daemon.cli.conftest import Call

GROWTH = "/runs/r-1/growth"
VIEW: dict[str, Any] = {**test_growth.VIEW, "step": 1234}


def test_the_sites_are_previewed(call: Call, daemon: FakeDaemon) -> None:
    daemon.answers["GET", GROWTH] = (200, VIEW)
    shown = call("grow", "--preview", "--fraction", "0.1").out
    assert "self_model" in shown
    assert "176 of at most 100,000 neurons. Automatic growth is off" in shown
    assert ("GET", GROWTH, {"fraction": "0.1"}) in daemon.asked
    assert call("grow", "--preview", "--json").json() == VIEW


def test_the_preview_shows_one_site_and_ignores_no_option(call: Call, daemon: FakeDaemon) -> None:
    other = {**VIEW["sites"][0], "site": "blocks.0.mlp"}
    daemon.answers["GET", GROWTH] = (200, {**VIEW, "sites": [other, *VIEW["sites"]]})
    assert "blocks.0.mlp" not in call("grow", "--preview", "--site", "self_model").out
    assert call("grow", "--preview", "--site", "self_model", "--json").json() == VIEW
    wrong = call("grow", "--preview", "--site", "self_modal")
    assert (wrong.code, wrong.err) == (
        2, "synapsed: no growth site is called 'self_modal'; did you mean self_model?\n",
    )  # fmt: skip
    whole = call("grow", "--preview", "--deepen")
    assert (whole.code, whole.err) == (
        2, "synapsed: --preview shows what can be added everywhere: leave --deepen out\n",
    )  # fmt: skip


def test_a_site_is_grown_and_the_way_back_is_named(call: Call, daemon: FakeDaemon) -> None:
    result = {
        "operator": "widen", "site": "self_model", "units_before": 16, "units_after": 20, "step": 1234,
        "metrics_after": {"num_neurons": 180}, "checkpoint": "continuous_1706123456",
    }  # fmt: skip
    operation = daemon.operate(daemon.runs["r-1"], "grow", result)
    daemon.answers["POST", GROWTH] = (202, operation)
    called = call("grow", "--site", "self_model", "--fraction", "0.25")
    assert called.out == (
        "self_model grew from 16 to 20 units at step 1,234; 180 neurons in all. "
        "Before it: continuous_1706123456\n"
    )
    assert ("POST", GROWTH, {"site": "self_model", "fraction": 0.25}) in daemon.asked
    assert call("grow", "--json").json() == operation
    assert ("POST", GROWTH, {}) in daemon.asked


def test_a_block_is_born_behind_a_site(call: Call, daemon: FakeDaemon) -> None:
    result = {
        "operator": "deepen", "site": "blocks.0.mlp", "units_before": 0, "units_after": 96, "step": 1234,
        "metrics_after": {"num_neurons": 272}, "checkpoint": "continuous_1706123456",
    }  # fmt: skip
    operation = daemon.operate(daemon.runs["r-1"], "grow", result)
    daemon.answers["POST", GROWTH] = (202, operation)
    assert call("grow", "--deepen", "--site", "blocks.0.mlp").out == (
        "A block of 96 units was added after that of blocks.0.mlp at step 1,234; 272 neurons in all. "
        "Before it: continuous_1706123456\n"
    )
    assert ("POST", GROWTH, {"site": "blocks.0.mlp", "operator": "deepen"}) in daemon.asked


def test_an_expert_and_a_column_are_born(call: Call, daemon: FakeDaemon) -> None:
    whole = {"step": 1234, "metrics_after": {"num_neurons": 272}, "checkpoint": "continuous_1706123456"}
    for flags, body, result, words in (
        (
            ("--expert", "--site", "blocks.0.mlp"),
            {"site": "blocks.0.mlp", "operator": "expert"},
            {"operator": "expert", "site": "blocks.0.mlp", "units_before": 0, "units_after": 16},
            "An expert of 16 units was added beside blocks.0.mlp at step 1,234; 272 neurons in all. ",
        ),
        (
            ("--column",),
            {"operator": "column"},
            {"operator": "column", "site": "columns.0", "units_before": 0, "units_after": 1280},
            "A column of 1,280 units was added, and everything older is frozen, at step 1,234; 272 neurons in all. ",
        ),
    ):
        operation = daemon.operate(daemon.runs["r-1"], "grow", {**whole, **result})
        daemon.answers["POST", GROWTH] = (202, operation)
        assert call("grow", *flags).out == f"{words}Before it: continuous_1706123456\n"
        assert ("POST", GROWTH, body) in daemon.asked


def test_only_one_growth_at_a_time(call: Call, daemon: FakeDaemon) -> None:
    called = call("grow", "--expert", "--column")
    assert called.code == 2
    assert called.err == "synapsed: --expert and --column exclude each other: grow one at a time\n"
    assert not daemon.asked


def test_the_preview_reports_what_a_column_would_bring_or_is_kept_by(call: Call, daemon: FakeDaemon) -> None:
    daemon.answers["GET", GROWTH] = (200, VIEW)
    shown = call("grow", "--preview").out
    assert "A column would add 160 neurons and 30,000 parameters, and freeze 8,000." in shown
    column = {**VIEW["column"], "reason": "this brain grows no columns"}
    daemon.answers["GET", GROWTH] = (200, {**VIEW, "column": column})
    assert "No column can be added: this brain grows no columns." in call("grow", "--preview").out


def test_a_refusal_is_one_line_and_exit_code_5(call: Call, daemon: FakeDaemon) -> None:
    daemon.refuse("POST", GROWTH, 409, "self_model cannot grow: growth.max_neurons = 176")
    called = call("grow", "--site", "self_model")
    assert (called.code, called.err) == (5, "synapsed: self_model cannot grow: growth.max_neurons = 176\n")
    assert call("grow", "--fraction", "1.5").code == 2


def test_the_preview_shows_what_came_of_earlier_growth(call: Call, daemon: FakeDaemon) -> None:
    grown = {"site": "self_model", "units_before": 16, "units_after": 18}
    numbers = {"gain": 0.0123, "noise": 0.001, "bpc": 2.5, "promised_bpc": 2.531}
    history = [
        {**grown, "step": 100},
        {**grown, "step": 2000, "verdict": {"paid": True, **numbers}},
        {**grown, "step": 4000, "verdict": {"paid": False, **numbers, "gain": -0.0123}},
        {**grown, "step": 6000, "verdict": {"paid": None, "reason": "the brain slept meanwhile"}},
        {**grown, "step": 8000},
    ]
    trial = {"began": 8000, "steps": 1000, "done": 250}
    daemon.answers["GET", GROWTH] = (200, {**VIEW, "history": history, "trial": trial})
    beside = "2.500 bits a byte beside 2.531 of a twin that did not grow"
    assert call("grow", "--preview").out.splitlines()[-5:] == [
        "Step 100: self_model, 16 to 18 units: not judged",
        f"Step 2,000: self_model, 16 to 18 units: paid, {beside} (+1.23% ± 0.10%)",
        f"Step 4,000: self_model, 16 to 18 units: did not pay, {beside} (-1.23% ± 0.10%)",
        "Step 6,000: self_model, 16 to 18 units: not judged, the brain slept meanwhile",
        "Step 8,000: self_model, 16 to 18 units: on trial, 250 of 1,000 steps",
    ]
