"""The lines a person reads while a run learns, letter by letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daemon.abilities import abilities_of
from daemon.cli.progress_line import Progress
from daemon.trainer_protocol import RunState
from tests.fake_daemon.world import FakeDaemon

SMALL = FakeDaemon.small()
RUN, EVENT = SMALL.runs["r-1"].view(), SMALL.events[-1]
HOME = Path("/somewhere/home")


def delta(**changes: Any) -> dict[str, Any]:
    return {
        "run": "r-1",
        "state": "running",
        "degraded": None,
        "step": 1234,
        "samples": 1,
        "training_seconds": 154.9,
        **changes,
    }


def test_the_line_shows_what_is_measured_and_a_dash_for_what_is_not() -> None:
    progress = Progress(home=HOME)
    progress.take_delta(delta(columns={"step": [1233, 1234], "bpc": [3.5, 2.9149]}))
    assert progress.line() == "Step    1234 | Φ=– | Agency=– | BPC=2.91 | Time: 2m 34s"
    progress.take_delta(
        delta(points=[["phi", 1234, 0.0, 0.4521]], readings=[{"name": "agency", "value": 0.723}])
    )
    assert progress.line() == "Step    1234 | Φ=0.452 | Agency=0.723 | BPC=2.91 | Time: 2m 34s"
    progress.take_delta(delta(readings=[{"name": "phi", "value": None}], columns={"bpc": [float("nan")]}))
    assert progress.line() == "Step    1234 | Φ=– | Agency=0.723 | BPC=– | Time: 2m 34s"
    progress.values["accuracy"] = 0.9512
    assert progress.line().endswith("| BPC=– | Accuracy=0.951 | Time: 2m 34s")


def test_what_this_kind_of_brain_cannot_have_is_no_part_of_the_line() -> None:
    progress = Progress(home=HOME)
    lacking = {"value": None, "detail": {"unsupported": 1.0}}
    warming = {"name": "agency", "value": None, "detail": {"warming_up": 1.0}}
    progress.take_delta(
        delta(readings=[{"name": "phi", **lacking}, warming], points=[["accuracy", 1234, 0.0, 0.9512]])
    )
    assert progress.line() == "Step    1234 | Agency=– | BPC=– | Accuracy=0.951 | Time: 2m 34s"
    another = {**RUN, "latest": {}, "readings": {"agency": {"name": "agency", **lacking}}}
    progress.take_run(another)
    assert " | Φ=– | BPC=– | Time" in progress.line()


def test_signs_of_modules_are_no_part_of_the_line_of_a_brain_without_any() -> None:
    run = {"id": "r-1", "state": "crashed", "step": 3, "samples": 9, "training_seconds": 1.0, "readings": {}}
    lines = {}
    for kind in ("reflex", "classifier", "synapse"):
        progress = Progress(home=Path("/home"))
        progress.take_run({**run, "abilities": abilities_of(kind)})
        lines[kind] = progress.line()
    assert lines["reflex"] == lines["classifier"] == "Step       3 | BPC=– | Time: 1s"
    assert "Φ=– | Agency=–" in lines["synapse"]


def test_a_speed_is_shown_of_a_run_that_learns_and_of_no_other() -> None:
    progress = Progress(home=Path("/home"))
    speed = ("Steps/s", "steps_per_second", 3)
    for state in RunState:
        progress.take_delta(delta(state=str(state), columns={"steps_per_second": [2.5]}))
        assert progress.shown([speed]) == ([speed] if state in {"running", "sleeping"} else [])


def test_a_vital_sign_measured_long_ago_is_shown_with_its_step() -> None:
    progress = Progress(home=HOME)
    reading = {"name": "reliance", "value": 0.5, "step": 50}
    progress.take_run({**RUN, "step": 149, "readings": {"reliance": reading}})
    assert progress.value("reliance", 3) == "0.500"
    progress.take_delta(delta(step=1063))
    assert progress.value("reliance", 3) == "0.500 (step 50)"
    progress.take_delta(delta(step=1100, readings=[{**reading, "step": 1080, "value": 0.25}]))
    assert progress.value("reliance", 3) == "0.250"
    progress.take_delta(delta(step=2000, readings=[{**reading, "step": 1080, "value": None}]))
    assert progress.value("reliance", 3) == progress.value("phi", 3) == "–"


def test_what_was_measured_long_ago_is_dated_in_the_line_however_it_came() -> None:
    readings = {"agency": {"name": "agency", "value": 0.7, "step": 3_450}}
    run = {**RUN, "step": 3_521, "latest": {"phi": 0.152, "recent_bpc": 2.52}, "readings": readings}
    progress = Progress(home=HOME)
    progress.take_run({**run, "latest_steps": {"phi": 1_288, "recent_bpc": 3_519}})
    assert "Φ=0.152 (step 1,288) | Agency=0.700 | BPC=2.52 |" in progress.line()
    progress.take_delta(delta(step=3_600, columns={"step": [3_600], "bpc": [2.5]}))
    assert "Agency=0.700 (step 3,450) | BPC=2.52 |" in progress.line()
    progress.take_delta(
        delta(step=3_700, points=[["phi", 3_700, 0.0, 0.2], ["held_out_bpc", 3_600, 0.0, 2.4]])
    )
    assert "Φ=0.200 | Agency=0.700 (step 3,450) | BPC=2.52 (step 3,519) |" in progress.line()
    assert progress.value("held_out_bpc", 3) == "2.400 (step 3,600)"


def test_a_saved_checkpoint_is_shown_relative_to_the_home() -> None:
    progress = Progress(home=HOME)
    event = {**EVENT, "data": {**EVENT["data"], "path": str(HOME / "checkpoints" / "continuous_1706123456")}}
    progress.take_event(event)
    assert progress.line_of(event) == "[Checkpoint] Saved to checkpoints/continuous_1706123456 (auto)"
    assert progress.checkpoint == "continuous_1706123456"


def test_a_kind_that_shows_its_loss_has_lines_of_its_own() -> None:
    progress = Progress(home=HOME)
    progress.take_run({**RUN, "brain": "agiformer", "step": 0, "latest": {}, "readings": {}})
    assert progress.line() == "Step 0: Loss = – | BPC = – | LR = –"
    progress.take_delta(delta(step=10, columns={"bpc": [4.1046], "learning_rate": [3e-5]}))
    assert progress.line() == "Step 10: Loss = 2.8451 | BPC = 4.1046 | LR = 3.00e-05"
    saved = "[Checkpoint] Saved to checkpoints/continuous_1706123456 (auto)"
    event = {**EVENT, "data": {**EVENT["data"], "path": str(HOME / "checkpoints" / "continuous_1706123456")}}
    assert progress.line_of(event) == saved
    shown = {}
    for bpc in (2.2578, 2.3, 2.25):
        progress.values["held_out_bpc"] = bpc
        shown[bpc] = progress.line_of(event)
    assert shown == {
        2.2578: f"-- VALIDATION: Loss = 1.5650 | BPC = 2.2578 -- best so far\n{saved}",
        2.3: f"-- VALIDATION: Loss = 1.5942 | BPC = 2.3000 --\n{saved}",
        2.25: f"-- VALIDATION: Loss = 1.5596 | BPC = 2.2500 -- best so far\n{saved}",
    }
    progress.take_run({**RUN, "brain": "of another version"})
    assert progress.line().startswith("Step    1234 | ")


def test_events_are_shown_by_their_weight() -> None:
    progress = Progress(home=HOME)
    event = {"kind": "rolled_back", "severity": "error", "message": "Rolled back to step 3", "data": {}}
    assert progress.line_of(event) == "Error: Rolled back to step 3"
    assert progress.line_of({**event, "kind": "checkpoint_pruned"}) is None


def test_the_summary_reads_as_the_seed_document_has_it() -> None:
    progress = Progress(home=HOME, flag=" --home /somewhere/home")
    run = {**RUN, "step": 15234, "checkpoint_step": 15234, "samples": 487488, "training_seconds": 9252.0}
    progress.take_run(run)
    assert progress.summary().splitlines() == [
        "",
        "TRAINING SUMMARY",
        "Total steps: 15,234",
        "Total samples: 487,488",
        "Training time: 2h 34m 12s",
        "Final checkpoint: checkpoints/continuous_1706123456",
        "",
        "To resume:",
        "  synapsed resume continuous_1706123456 --home /somewhere/home",
    ]


def test_a_run_without_a_checkpoint_promises_nothing() -> None:
    progress = Progress(home=HOME)
    progress.take_run({**RUN, "checkpoint": None})
    assert "Final checkpoint: none" in progress.summary()
    assert "resume" not in progress.summary()


def test_a_checkpoint_is_final_only_when_it_holds_the_last_step() -> None:
    progress = Progress(home=HOME)
    progress.take_run({**RUN, "step": 15234, "checkpoint_step": 0})
    assert "Final" not in progress.summary()
    words = "Last checkpoint: checkpoints/continuous_1706123456 (15,234 steps since then are lost)"
    assert words in progress.summary().splitlines()
    assert progress.totals()["unsaved_steps"] == 15234
    progress.take_event({**EVENT, "step": 15234})
    assert "Final checkpoint: checkpoints/continuous_1706123456" in progress.summary().splitlines()
    progress.take_run({**RUN, "step": 15234, "checkpoint_step": None})
    assert "Newest checkpoint: checkpoints/continuous_1706123456" in progress.summary().splitlines()


def test_what_a_byte_costs_with_an_exact_memory_stands_beside_the_network_alone() -> None:
    progress = Progress(home=HOME)
    progress.values["bpc"] = 2.617
    assert "memory" not in progress.line()
    progress.values["mixed_bpc"] = 1.874
    assert "BPC=2.62 | BPC with memory=1.87" in progress.line()


def test_nothing_of_lost_steps_stays_in_the_line() -> None:
    progress = Progress(home=HOME)
    progress.take_run({**RUN, "step": 900, "latest": {"phi": 0.4}, "readings": {}})
    progress.take_delta(delta(columns={"bpc": [2.91]}, sample="of a lost step"))
    progress.take_run({**RUN, "step": 900, "latest": {"phi": 0.4}, "readings": {}, "sample": None})
    assert progress.line().startswith("Step     900 | Φ=0.400 | Agency=– | BPC=– |")
    assert progress.sample is None
