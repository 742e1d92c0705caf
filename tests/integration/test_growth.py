"""Growth in a real trainer: decided by step or ordered by hand, saved before, and exact across a resume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from safetensors.torch import load_file

from brain.growth.decision import birth_seed
from daemon.orders import Grow
from daemon.trainer.offline.questions import export
from daemon.trainer_protocol import Command
from tests.integration.test_bit_exact import learn, weights_hash
from tests.integration.test_recovery import LoopUnderTest
from tests.trainer_process import newest, spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

STEPS = 60
# Everything counts as busy, so that a tiny brain grows twice within the run.
EAGER: dict[str, Any] = {
    "growth__enabled": True, "growth__every_steps": 10, "growth__cooldown_steps": 20,
    "growth__trial_steps": 0, "growth__maturity_steps": 5, "growth__high_activation__above": 0.0,
    "growth__recycle_above": 1.0, "checkpoint__keep_latest": 50,
}  # fmt: skip


def manifest(checkpoint: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((checkpoint / "MANIFEST.json").read_text())
    return document


def before_growth(home: Home) -> list[Path]:
    """Checkpoints saved before a growth, oldest first."""
    found = [path for path in home.checkpoints.iterdir() if manifest(path)["reason"] == "growth"]
    return sorted(found, key=lambda path: int(manifest(path)["step"]))


def test_a_resume_across_growth_is_bit_exact(home: Home, tmp_path: Path) -> None:
    whole = learn(home, limits__steps=STEPS, **EAGER)
    grown = manifest(whole)["spec"]["growth"]
    assert [entry["seed"] for entry in grown] == [birth_seed(10, 0), birth_seed(30, 1), birth_seed(50, 2)]
    history = json.loads((whole / "state.json").read_text())["growth_history"]
    assert [record["step"] for record in history] == [10, 30, 50]
    for record in history:
        assert record["units_after"] > record["units_before"]
        assert record["metrics_before"]["bpc"] > record["metrics_after"]["bpc"] > 0
        assert record["metrics_after"]["num_neurons"] > record["metrics_before"]["num_neurons"]

    # From the checkpoint saved before the second growth: it happens again, at once and alike.
    middle = before_growth(home)[1]
    assert manifest(middle)["step"] == 30
    assert len(manifest(middle)["spec"]["growth"]) == 1
    again = learn(home, limits__steps=30, session=2, checkpoint=middle, **EAGER)
    assert weights_hash(again) == weights_hash(whole)

    # From between two growths, by way of a single file.
    half = learn(home, limits__steps=10, session=3, checkpoint=before_growth(home)[0], **EAGER)
    assert manifest(half)["step"] == 20
    file = export(home, half.name, tmp_path)
    end = learn(home, limits__steps=40, run_id="r-file", checkpoint=file, **EAGER)
    assert weights_hash(end) == weights_hash(whole)


def test_a_resume_in_the_middle_of_a_trial_leads_to_the_same_verdicts(home: Home) -> None:
    judged = EAGER | {"growth__trial_steps": 16, "growth__cooldown_steps": 10}
    whole = learn(home, limits__steps=STEPS, **judged)
    history = json.loads((whole / "state.json").read_text())["growth_history"]
    assert [record["step"] for record in history][:2] == [10, 30]  # nothing grows while a trial is under way
    first, second = (record["verdict"] for record in history[:2])
    assert (first["step"], second["step"]) == (26, 46)
    assert {first["cooldown_steps"], second["cooldown_steps"]} <= {2, 5, 20, 40}
    # Continue from step 20, in the trial of the first growth.
    half = learn(home, session=2, limits__steps=10, checkpoint=before_growth(home)[0], **judged)
    stored = load_file(half / "optimizer.safetensors")
    assert [name for name in stored if name.startswith("trial|model|")]
    end = learn(home, session=3, limits__steps=40, checkpoint=half, **judged)
    assert weights_hash(end) == weights_hash(whole)
    assert json.loads((end / "state.json").read_text())["growth_history"] == history


def test_growth_is_reported_with_its_evidence_and_its_numbers(home: Home) -> None:
    trainer = spawn(tiny_order(home, limits__steps=15, **EAGER))
    assert trainer.finish().state == "finished"
    [event] = [event for event in trainer.events if event["kind"] == "brain_grew"]
    data = event["data"]
    assert event["message"] == f"[Neurogenesis] Growing {data['site']}: {data['reason']}"
    assert data["reason"].startswith("High activation (")
    assert data["evidence"]["utilisation"] > data["evidence"]["above"] == 0.0
    neurons = [int(value) for name, _, _, value in trainer.points if name == "num_neurons"]
    assert trainer.ready is not None
    assert neurons == [trainer.ready.num_neurons, data["num_neurons"]]
    saved = [event["data"]["reason"] for event in trainer.events if event["kind"] == "checkpoint_saved"]
    assert saved == ["first", "growth", "grown", "final"]


def test_growth_ordered_by_hand_happens_again_after_a_crash(home: Home) -> None:
    trainer = spawn(tiny_order(home, limits__steps=120, growth__trial_steps=8))
    trainer.receive_until(lambda seen: seen.step >= 3)
    overview = trainer.order("growth", fraction=0.5)
    sites = {row["site"]: row for row in overview.result["sites"]}
    assert sites["self_model"]["preview"]["units"] == 24
    assert all(row["eligible"] for row in sites.values())
    grown = trainer.order("grow", site="self_model", fraction=0.5)
    assert grown.ok, grown.error
    assert (grown.result["units_before"], grown.result["units_after"]) == (16, 24)
    deeper = trainer.order("grow", operator="deepen", site="blocks.0.mlp")
    assert deeper.ok, deeper.error
    born = sites["blocks.0.mlp"]["deeper"]["newborns"]
    assert (deeper.result["units_before"], deeper.result["units_after"]) == (0, born)
    neurons = [one.result["metrics_after"]["num_neurons"] for one in (grown, deeper)]
    assert neurons[1] - neurons[0] == born > 0
    whole = trainer.finish()
    assert whole.checkpoint is not None
    assert [e["message"] for e in trainer.events if e["kind"] == "brain_grew"] == [
        "[Neurogenesis] Growing self_model: By hand (50% of 16 units)",
        f"[Neurogenesis] Growing a block after blocks.0.mlp: By hand ({born} units)",
    ]
    # The same journal, from the checkpoint of step 0: as if everything after it had been lost.
    first = min(home.checkpoints.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    again = spawn(
        tiny_order(home, session=2, checkpoint=first, limits_from_checkpoint=True, growth__trial_steps=8)
    )
    replayed = again.finish()
    assert replayed.checkpoint is not None
    assert weights_hash(home.checkpoints / replayed.checkpoint) == weights_hash(
        home.checkpoints / whole.checkpoint
    )


def test_experts_and_columns_ordered_by_hand_happen_again_after_a_crash(home: Home) -> None:
    trainer = spawn(tiny_order(home, limits__steps=120, growth__trial_steps=8))
    trainer.receive_until(lambda seen: seen.step >= 3)
    overview = trainer.order("growth").result
    beside = {row["site"]: row["expert"] for row in overview["sites"]}
    assert beside["blocks.0.mlp"]["reason"] is None
    assert "experts stand beside the MLP of a block" in beside["self_model"]["reason"]
    expert = trainer.order("grow", operator="expert", site="blocks.0.mlp")
    assert expert.ok, expert.error
    assert (expert.result["units_before"], expert.result["units_after"]) == (
        0,
        beside["blocks.0.mlp"]["newborns"],
    )
    parameters = expert.result["metrics_after"]["num_parameters"]
    assert parameters - overview["num_parameters"] == beside["blocks.0.mlp"]["parameters"]
    column = trainer.order("growth").result["column"]
    assert column["reason"] is None
    born = trainer.order("grow", operator="column")
    assert born.ok, born.error
    assert (born.result["site"], born.result["units_before"]) == ("columns.0", 0)
    assert born.result["units_after"] == column["newborns"]
    after = {key: born.result["metrics_after"][key] for key in ("num_neurons", "num_parameters")}
    assert after == {key: column[key] for key in after}
    rows = {row["site"]: row for row in trainer.order("growth").result["sites"]}
    trunk = rows["blocks.0.mlp"]
    assert (trunk["eligible"], trunk["reason"]) == (False, "frozen: an older column")
    assert trunk["deeper"]["reason"] == trunk["expert"]["reason"] == "frozen: an older column"
    assert rows["columns.0.blocks.0.mlp"]["eligible"]
    assert rows["columns.0.blocks.0.mlp"]["last_growth_step"] == born.result["step"]
    neediest = trainer.order("grow", operator="expert")
    assert neediest.ok, neediest.error
    assert neediest.result["site"].startswith("columns.0.blocks.")
    whole = trainer.finish()
    assert whole.checkpoint is not None
    messages = [e["message"] for e in trainer.events if e["kind"] == "brain_grew"]
    assert messages[0].startswith("[Neurogenesis] Growing an expert beside blocks.0.mlp: By hand (")
    assert messages[1].startswith("[Neurogenesis] Growing a column, columns.0: By hand (")
    final, older = home.checkpoints / whole.checkpoint, home.checkpoints / born.result["checkpoint"]
    assert manifest(final)["spec"]["columns"]
    assert frozen_in(final) == {name: frozen_in(older)[name] for name in frozen_in(final)}
    # The same journal, from the checkpoint of step 0: as if everything after it had been lost.
    first = min(home.checkpoints.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    replayed = spawn(
        tiny_order(home, session=2, checkpoint=first, limits_from_checkpoint=True, growth__trial_steps=8)
    ).finish()
    assert replayed.checkpoint is not None
    assert weights_hash(home.checkpoints / replayed.checkpoint) == weights_hash(final)


def frozen_in(checkpoint: Path) -> dict[str, bytes]:
    """Weights of a checkpoint's trunk, bit by bit."""
    weights = load_file(checkpoint / "model.safetensors")
    trunk = ("embedding", "bigram.", "blocks.", "head.")
    return {name: w.numpy().tobytes() for name, w in weights.items() if name.startswith(trunk)}


def test_half_and_half_across_a_column_equals_the_whole_and_only_what_is_alive_grows(home: Home) -> None:
    trainer = spawn(tiny_order(home, limits__steps=100, **EAGER))
    trainer.receive_until(lambda seen: seen.step >= 12)  # its trunk has grown by itself
    assert trainer.order("grow", operator="column").ok
    middle = trainer.order("checkpoint")
    assert middle.ok, middle.error
    whole = trainer.finish()
    assert whole.checkpoint is not None
    half = home.checkpoints / middle.result["checkpoint"]
    left = whole.step - manifest(half)["step"]
    end = learn(home, session=2, checkpoint=half, limits__steps=left, **EAGER)
    assert weights_hash(end) == weights_hash(home.checkpoints / whole.checkpoint)
    grown = manifest(end)["spec"]["growth"]
    born = [entry["operator"] for entry in grown].index("column")
    assert born >= 1
    later = [entry["site"] for entry in grown[born + 1 :]]
    assert later
    assert [site for site in later if not site.startswith(("columns.", "self_model"))] == []


def test_a_roll_back_leaves_what_is_frozen_as_it_was(home: Home) -> None:
    ill: list[int] = []
    running: list[LoopUnderTest] = []

    def sick(step: int) -> bool:
        """Ten steps in a row, some time after the column was born."""
        grown = [record["step"] for record in running[0].parts.contents.growth.history] if running else []
        if grown and step > grown[0] + 5 and len(ill) < 10:
            ill.append(step)
            return True
        return False

    run = LoopUnderTest(home, sick, limits__steps=60)
    running.append(run)
    run.ours.send(Command(id="c", order=Grow(operator="column")))
    events = run.events()
    assert [event["kind"] for event in events].count("rolled_back") == 1
    [grown] = run.parts.contents.growth.history
    before = frozen_in(next(path for path in before_growth(home)))
    weights = run.parts.brain.state().model
    assert grown["operator"] == "column"
    assert {name: weights[name].numpy().tobytes() for name in before} == before
    assert bool(weights["columns.0.head.weight"].any())


def test_kill_9_after_an_acknowledged_growth_loses_nothing_of_it(home: Home) -> None:
    trainer = spawn(tiny_order(home, limits__steps=10_000))
    trainer.receive_until(lambda seen: seen.step >= 3)
    grown = trainer.order("grow", site="blocks.0.mlp", fraction=0.1)
    assert grown.ok, grown.error
    trainer.kill()
    end = learn(home, limits__steps=5, session=2, checkpoint=newest(home.checkpoints))
    assert manifest(end)["spec"]["sites"]["blocks.0.mlp"] == grown.result["units_after"]


def test_orders_that_do_not_fit_are_refused_in_words(home: Home) -> None:
    trainer = spawn(tiny_order(home, limits__steps=10_000, growth__max_neurons=180))
    trainer.receive_until(lambda seen: seen.step >= 1)
    unknown = trainer.order("grow", site="blocks.7.mlp")
    assert unknown.conflict
    assert "no growth site is called 'blocks.7.mlp'; did you mean blocks.1.mlp?" in str(unknown.error)
    whole = trainer.order("grow", operator="deepen", fraction=0.5)
    assert whole.conflict
    assert "leave fraction out" in str(whole.error)
    with pytest.raises(ValueError, match="'widen', 'deepen', 'expert' or 'column'"):
        trainer.order("grow", operator="recycle")  # no such order can be made
    for operator, part in (("expert", "an expert"), ("column", "a column")):
        whole = trainer.order("grow", operator=operator, fraction=0.5)
        assert whole.conflict
        assert whole.error == f"{part} is born whole: leave fraction out"
    placed = trainer.order("grow", operator="column", site="blocks.0.mlp")
    assert placed.conflict
    assert placed.error == "a column stands beside all that is there: leave site out"
    crowded = trainer.order("grow", operator="column")
    assert crowded.conflict
    assert "growth.max_neurons = 180 leaves room for" in str(crowded.error)
    aside = trainer.order("grow", operator="expert", site="self_model")
    assert aside.conflict
    assert aside.error == "no expert can be added beside self_model: experts stand beside the MLP of a block"
    assert trainer.order("grow", fraction=1.0).result["metrics_after"]["num_neurons"] == 180
    crowded = trainer.order("grow", operator="expert")
    assert crowded.conflict
    assert "an expert has" in str(crowded.error)
    assert "leaves room for 0" in str(crowded.error)
    full = trainer.order("grow")
    assert full.conflict
    assert "growth.max_neurons = 180 leaves room for 0 more" in str(full.error)
    assert trainer.order("stop").ok


def test_neurogenesis_switched_off_drops_a_growth_that_was_pending(home: Home) -> None:
    learn(home, limits__steps=15, **EAGER)
    trainer = spawn(
        tiny_order(home, session=2, checkpoint=before_growth(home)[0], **EAGER | {"growth__enabled": False}),
    )
    trainer.receive_until(lambda seen: "setting_restored" in seen.kinds())
    assert trainer.order("stop").ok
    assert "a growth did not take effect: growth is switched off" in [e["message"] for e in trainer.events]
    assert "brain_grew" not in trainer.kinds()
