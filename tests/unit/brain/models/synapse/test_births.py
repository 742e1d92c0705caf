"""What experts and columns have in common: silent at first, quick to learn, exact across a resume."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.build import brain_from_spec
from brain.errors import SettingsError, SpecMismatchError
from brain.growth.apply import apply_growth
from brain.growth.config import GrowthConfig
from brain.growth.decision import column_by_hand, expert_by_hand
from brain.growth.plan import GrowthPlan
from brain.optim.config import OptimizerConfig
from tests.contract.probes.causality import brain_leak
from tests.unit.brain.growth.growing_brain import (
    CPU,
    LANES,
    batch,
    differing,
    learned,
    make,
    next_logits,
    plan_for,
    resumed,
    stored,
)

if TYPE_CHECKING:
    from brain.models.synapse.synapse_brain import Synapse

LIMIT = 10**6
PARTS = ["expert", "column"]
BUSY: dict[str, Any] = {
    "replacement_rate": 0.02, "maturity_steps": 3, "every_steps": 2, "l2_init": 0.01,
    "shrink": 0.01, "perturb": 0.1, "perturb_every_steps": 5,
}  # fmt: skip


def plan(brain: Synapse, part: str, site: str = "blocks.0.mlp") -> GrowthPlan:
    sites, limits, step = brain.sites(), GrowthConfig(), brain.counters["step"]
    if part == "column":
        return column_by_hand(sites, limits, brain.next_column(), seed=step)
    return expert_by_hand(sites, limits, site, seed=step)


def bear(brain: Synapse, part: str, site: str = "blocks.0.mlp") -> None:
    apply_growth(brain, plan(brain, part, site), max_neurons=LIMIT)


def born_names(brain: Synapse, part: str) -> list[str]:
    mark = "columns." if part == "column" else ".experts."
    return [name for name in brain.state().model if mark in name]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("part", PARTS)
def test_growth_changes_no_bit_of_the_output(part: str, kind: str, precision: str) -> None:
    brain = make(kind, precision=precision)
    learned(brain, 0, 12)
    rows, mask = batch(50).bytes, batch(50).mask
    carried, scored, parameters = next_logits(brain), brain.score(rows, mask), brain.num_parameters()
    with brain.stable_weights():
        stable = brain.score(rows, mask)
    birth = brain.next_column() if part == "column" else brain.sites()["blocks.0.mlp"].expert
    assert birth is not None
    neurons = brain.num_neurons()
    bear(brain, part)
    assert torch.equal(next_logits(brain), carried)
    assert torch.equal(brain.score(rows, mask), scored)
    with brain.stable_weights():
        assert torch.equal(brain.score(rows, mask), stable)
    assert brain.num_neurons() == neurons + birth.units
    assert brain.num_parameters() == parameters + birth.parameters - birth.freezes
    shapes = [brain.state().model[name].numel() for name in born_names(brain, part)]
    assert sum(shapes) == birth.parameters
    assert any(name.startswith(birth.name) for name in brain.sites())


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("part", PARTS)
def test_all_of_what_was_born_learns_and_the_loss_falls(part: str, kind: str) -> None:
    brain, without = make(kind), make(kind)
    for each in (brain, without):
        learned(each, 0, 8)
    bear(brain, part)
    if part == "column":
        without.freeze("")
        without.freeze("self_model", frozen=False)
    names = born_names(brain, part)
    first = {name: brain.state().model[name].clone() for name in names}
    after, alone = learned(brain, 8, 24), learned(without, 8, 24)
    assert after[0] == pytest.approx(alone[0], abs=1e-6)  # a library may split wider sums otherwise
    assert sum(after[-4:]) < sum(alone[-4:]) - 0.05 * (part == "column")
    assert [name for name in names if torch.equal(first[name], brain.state().model[name])] == []


@pytest.mark.parametrize("renews", [True, False])
@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("part", PARTS)
def test_newborns_begin_at_step_0_and_older_units_keep_every_moment(
    part: str, kind: str, renews: bool
) -> None:
    brain = make(kind, plasticity={"replacement_rate": 1e-6 if renews else 0.0, "l2_init": 0.01})
    learned(brain, 0, 12)
    before = stored(brain)
    bear(brain, part)
    after = stored(brain)
    existing = [name for name in after.learning if name in before.learning]
    assert [name for name in existing if not torch.equal(before.learning[name], after.learning[name])] == []
    assert all(torch.equal(weight, after.model[name]) for name, weight in before.model.items())
    names = born_names(brain, part)
    moments = [name for name in after.learning if name.rpartition("|")[0] in names]
    assert {name.rpartition("|")[0] for name in moments} == set(names)
    assert any(name.endswith("|step") for name in moments)
    assert [name for name in moments if after.learning[name].any()] == []
    for name in names:
        for slow in ("average|stable|", "average|plastic|"):
            assert torch.equal(after.learning[f"{slow}{name}"], after.model[name])
        if (begun := after.learning.get(f"start|{name}")) is not None:
            assert torch.equal(begun, after.model[name])


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_what_was_stored_after_births_continues_bit_for_bit(kind: str) -> None:
    straight = make(kind, plasticity=BUSY)
    learned(straight, 0, 6)
    bear(straight, "expert")
    learned(straight, 6, 9)
    apply_growth(straight, plan_for(straight, "blocks.0.experts.0", 0.5), max_neurons=LIMIT)
    bear(straight, "expert")
    learned(straight, 9, 12)
    bear(straight, "column")
    learned(straight, 12, 15)
    bear(straight, "expert", "columns.0.blocks.1.mlp")
    learned(straight, 15, 18)
    bear(straight, "column")
    learned(straight, 18, 20)
    state = stored(straight)
    other = resumed(straight, state)
    assert learned(other, 20, 30) == learned(straight, 20, 30)
    assert differing(straight.state(), other.state()) == []
    assert straight.counters == other.counters
    assert straight.counters["renewed"] > 0


@pytest.mark.parametrize("part", PARTS)
def test_a_birth_happens_again_alike(part: str) -> None:
    one = make(plasticity=BUSY)
    learned(one, 0, 5)
    again = resumed(one, stored(one))
    planned = plan(one, part)
    journaled = GrowthPlan.from_json(json.loads(json.dumps(planned.to_json())))
    for brain, step in ((one, planned), (again, journaled)):
        torch.rand(3)  # the global random state has no say
        apply_growth(brain, step, max_neurons=LIMIT)
        learned(brain, 5, 12)
    assert differing(one.state(), again.state()) == []


def test_muon_takes_the_matrices_of_what_was_born_but_neither_gates_nor_heads() -> None:
    brain = make("muon", plasticity={"replacement_rate": 0.0})
    bear(brain, "expert")
    bear(brain, "column")
    bear(brain, "expert", "columns.0.blocks.0.mlp")
    born = [*born_names(brain, "column"), *born_names(brain, "expert")]
    groups = brain.network.param_groups()
    matrices = {name for group in groups if group.rule == "matrix" for name in group.parameters}
    apart = {name for name in born if name not in matrices}
    assert {name for name in apart if not name.endswith(".conv.weight")} == {
        "columns.0.embedding", "columns.0.head.weight", "columns.0.blocks.0.experts.0.gate.weight",
        "blocks.0.experts.0.gate.weight",
    }  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_byte_by_byte_the_output_is_that_of_one_pass(precision: str) -> None:
    brain = make(precision=precision)
    learned(brain, 0, 12)
    bear(brain, "expert")
    learned(brain, 12, 24)
    bear(brain, "column")
    learned(brain, 24, 36)
    bear(brain, "column")
    learned(brain, 36, 48)
    rows = batch(60, length=40).bytes
    whole, step = brain.reader(len(rows)), brain.reader(len(rows))
    logits = whole.read(rows)
    state = {part: {name: t.shape for name, t in own.items()} for part, own in step.state.items()}
    tolerance = 1e-4 if precision == "fp32" else 0.1
    for position in range(rows.shape[1]):
        torch.testing.assert_close(step.predict(), logits[:, position], rtol=tolerance, atol=tolerance)
        step.accept(rows[:, position].long())
    assert {part: {name: t.shape for name, t in own.items()} for part, own in step.state.items()} == state
    assert {"columns.0.blocks.0.mixer", "columns.1.blocks.1.mixer"} <= state.keys()
    assert brain_leak(brain, rows, 9) == 0.0


def test_a_spec_with_births_is_read_back_and_one_from_before_them_has_none() -> None:
    brain = make()
    for part in ("expert", "expert", "column", "column"):
        bear(brain, part)
    written = json.loads(json.dumps(brain.spec.to_json(), sort_keys=True))
    assert type(brain.spec).from_json(written) == brain.spec
    assert list(type(brain.spec).from_json(written).network().sites()) == list(brain.sites())
    older = make().spec.to_json()
    del older["experts"], older["columns"]
    read = type(brain.spec).from_json(older)
    assert (dict(read.experts), read.columns) == ({}, ())


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ({"experts": {"blocks.7.experts.0": 4}}, "blocks.7.experts.0"),
        ({"experts": {"blocks.0.experts.1": 4}}, "blocks.0.experts.1"),
        ({"columns": [8]}, "columns.0.blocks.0.mixer"),
    ],
)
def test_a_spec_whose_births_do_not_fit_is_refused(damage: dict[str, Any], where: str) -> None:
    written = make().spec.to_json() | damage
    written["sites"] |= damage.get("experts", {})
    with pytest.raises(SpecMismatchError, match=where):
        brain_from_spec(written, optimizer=OptimizerConfig(), lanes=LANES, device=CPU, seed=0)


@pytest.mark.parametrize("part", PARTS)
def test_the_hard_limit_holds_for_births_and_nothing_changes(part: str) -> None:
    brain = make()
    planned, before = plan(brain, part), stored(brain)
    limit = brain.num_neurons() + planned.units
    with pytest.raises(SettingsError, match=f"growth.max_neurons = {limit - 1}"):
        apply_growth(brain, planned, max_neurons=limit - 1)
    assert differing(before, brain.state()) == []
    apply_growth(brain, planned, max_neurons=limit)
    assert brain.num_neurons() == limit


def test_what_does_not_fit_is_refused_in_words() -> None:
    brain = make()
    beside = plan(brain, "expert")
    for wrong, words in (
        (replace(beside, site="blocks.0.mixer"), "no expert can be added beside blocks.0.mixer"),
        (replace(beside, site="self_model"), "no expert can be added beside self_model"),
        (replace(beside, site="blocks.9.mlp"), "no growth site is called 'blocks.9.mlp'"),
        (
            replace(plan(brain, "column"), site="columns.3"),
            "columns.3 cannot be born: the next column is columns.0",
        ),
    ):
        with pytest.raises(SettingsError, match=words):
            apply_growth(brain, wrong, max_neurons=LIMIT)
    assert brain.spec.growth == ()


def test_a_brain_without_a_self_model_has_no_site_there_and_can_be_looked_at() -> None:
    brain = make(self_model_size=0)
    brain.learn(batch(0))
    assert "self_model" not in brain.sites()
    probes = brain.probe_sites(batch(1), torch.Generator().manual_seed(0))
    assert probes.keys() == brain.sites().keys()
