"""Phases of TARS: each trains what it says and nothing else, by bits, on top of another's weights, and proves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.build import begun_with, brain_from_spec, build_brain
from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.models.tars.phases import PHASES
from brain.models.tars.tars_brain import Tars
from brain.optim.config import OptimizerConfig
from brain.registry import brains
from tests.contract.cases import LABELLED, LANES, TINY, batches, copied

if TYPE_CHECKING:
    from brain.phase_proof import PhaseProof

DEVICE = torch.device("cpu")
SETTINGS: dict[str, Any] = {"kind": "tars", **TINY["tars"][0]}


def optimizer(phase: int) -> OptimizerConfig:
    return OptimizerConfig(learning_rate=PHASES[phase].learning_rate, warmup_steps=1)


def fresh_brain(phase: int | None = 1) -> Tars:
    settings = {name: value for name, value in SETTINGS.items() if name != "kind"} | {"phase": phase}
    brain = build_brain("tars", settings, optimizer=optimizer(1), lanes=LANES, device=DEVICE, seed=0)
    assert isinstance(brain, Tars)
    return brain


def on_top(of: Tars, phase: int) -> Tars:
    stored = copied(of.state())
    brain = begun_with(
        SETTINGS | {"phase": phase}, stored, optimizer=optimizer(phase), lanes=LANES, device=DEVICE
    )
    assert isinstance(brain, Tars)
    return brain


def learned(brain: Tars, count: int, seed: int = 7) -> None:
    for batch in batches(count, seed=seed):
        brain.learn(batch)


@pytest.fixture(scope="module")
def trained() -> Tars:
    """Phase 1, some steps of it, grown a little."""
    brain = fresh_brain()
    learned(brain, 12)
    plan = GrowthPlan(operator="widen", site="blocks.1.pool.0", units=4, trigger="by_hand", reason="a test")
    apply_growth(brain, plan, max_neurons=10_000)
    learned(brain, 4, seed=8)
    return brain


def proof_of(brain: Tars) -> PhaseProof:
    proof = brain.proof()
    assert proof is not None
    return proof


def test_phase_one_trains_every_weight(trained: Tars) -> None:
    proof = proof_of(trained)
    assert proof.holds
    assert (proof.num_frozen, proof.num_trained) == (0, len(trained.state().model))


@pytest.mark.parametrize("phase", [2, 3, 4])
def test_a_phase_trains_what_it_says_on_top_of_anothers_weights(phase: int, trained: Tars) -> None:
    before = {name: t.clone() for name, t in trained.state().model.items()}
    brain = on_top(trained, phase)
    assert all(torch.equal(t, before[name]) for name, t in brain.state().model.items())
    assert brain.state().counters["step"] == 0
    assert not brain.state().learning["carried|reader.position"].any()
    learned(brain, 8)
    moved = {name for name, t in brain.state().model.items() if not torch.equal(t, before[name])}
    assert moved == {name for name in before if PHASES[phase].lets_learn(name)}
    owners = {name.rpartition("|")[0] for name in brain.state().learning}
    assert owners.isdisjoint(before.keys() - moved)  # of what is frozen no moments are kept
    proof = proof_of(brain)
    assert proof.holds
    assert (proof.num_trained, proof.num_frozen) == (len(moved), len(before) - len(moved))
    assert 0 < len(moved) < len(before)
    assert brain.num_parameters() == sum(before[name].numel() for name in moved)


def test_phases_name_the_weights_that_they_mean(trained: Tars) -> None:
    names = [name for name in trained.state().model if not name.startswith("blocks.0")]

    def parts(phase: int, *, learn: bool) -> set[str]:
        return {
            name for name in names if PHASES[phase].lets_learn(name) == learn and name.startswith("blocks.1")
        }

    core = "blocks.1.core"
    assert parts(2, learn=False) == {
        f"{core}.ssd.{part}" for part in ("log_rate", "skip", "dt_bias", "conv.weight")
    }
    assert {name.split(".")[2] for name in parts(3, learn=True)} == {"experts", "pool"}
    assert parts(4, learn=True) == {
        f"{core}.{part}" for part in ("fuse_down.weight", "fuse_up.weight", "wkv.shift", "wkv.out.weight")
    }
    assert [PHASES[phase].learning_rate for phase in (1, 2, 3, 4)] == [3e-4, 3e-5, 3e-6, 1.5e-5]


def test_a_phase_goes_on_after_a_restart_bit_for_bit_and_still_knows_how_it_began(trained: Tars) -> None:
    straight = on_top(trained, 2)
    learned(straight, 5)
    stored = copied(straight.state())
    spec = json.loads(json.dumps(dict(stored.spec)))
    again = brain_from_spec(spec, optimizer=optimizer(2), lanes=LANES, device=DEVICE, seed=9)
    again.load(stored)
    for batch in batches(5, seed=8):
        assert straight.learn(batch).loss == again.learn(batch).loss
    assert isinstance(again, Tars)
    assert proof_of(again) == proof_of(straight)
    assert proof_of(again).holds


def test_a_frozen_weight_that_is_moved_behind_its_back_is_named(trained: Tars) -> None:
    brain = on_top(trained, 4)
    learned(brain, 6)
    brain.state().model["embedding"][3, 2] += 1e-7
    proof = proof_of(brain)
    assert (proof.holds, proof.moved) == (False, ("embedding",))


def test_sites_that_a_phase_does_not_train_cannot_grow(trained: Tars) -> None:
    brain = on_top(trained, 4)
    plan = GrowthPlan(operator="widen", site="blocks.0.pool.0", units=4, trigger="by_hand", reason="a test")
    with pytest.raises(
        SettingsError, match=r"blocks\.0\.pool\.0 cannot grow: frozen: phase 4 does not train it"
    ):
        apply_growth(brain, plan, max_neurons=10_000)
    grown = on_top(trained, 3)
    apply_growth(grown, plan, max_neurons=10_000)
    learned(grown, 6)
    assert proof_of(grown).holds


def test_without_a_phase_nothing_is_to_be_proven() -> None:
    assert fresh_brain(phase=None).proof() is None
    assert brains.get("tars").phases == PHASES
    assert brains.get("synapse").phases == {}


def test_a_brain_of_another_kind_or_one_that_learns_from_the_beginning_only_is_refused(trained: Tars) -> None:
    stored = trained.state()
    arguments: dict[str, Any] = {"optimizer": optimizer(1), "lanes": LANES, "device": DEVICE}
    with pytest.raises(SettingsError, match="it holds a brain of kind tars, not mingru"):
        begun_with({"kind": "mingru"}, stored, **arguments)
    (settings,) = LABELLED["classifier"]
    classifier = build_brain("classifier", settings, seed=0, **arguments)
    with pytest.raises(
        SettingsError, match="a brain of kind classifier cannot begin with the weights of another"
    ):
        begun_with({"kind": "classifier", **settings}, classifier.state(), **arguments)


def test_any_language_brain_begins_with_anothers_weights() -> None:
    settings = TINY["mingru"][0]
    arguments: dict[str, Any] = {
        "optimizer": OptimizerConfig(warmup_steps=1),
        "lanes": LANES,
        "device": DEVICE,
    }
    first = build_brain("mingru", settings, seed=0, **arguments)
    for batch in batches(3):
        first.learn(batch)
    second = begun_with({"kind": "mingru", **settings}, copied(first.state()), **arguments)
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    assert torch.equal(second.score(rows, mask), first.score(rows, mask))
    assert second.state().counters["step"] == 0
