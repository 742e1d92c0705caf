"""A brain that grows says what it said, keeps every moment of its elders, and learns on with its newborns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from brain.build import brain_from_spec
from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.operators import UnitTensors, widen
from brain.growth.plan import GrowthPlan
from brain.ports import BrainState, Growable
from tests.unit.brain.growth.growing_brain import CPU, LANES, batch, learned, make, plan_for, said

SITES = ["blocks.0.mixer", "blocks.0.mlp", "blocks.1.mlp", "self_model"]
LIMIT = 10**6


def deepen(site: str) -> GrowthPlan:
    return GrowthPlan(operator="deepen", site=site, units=48, trigger="by_hand", reason="", seed=3)


def test_synapse_is_growable_and_names_its_sites_from_input_to_output() -> None:
    brain = make()
    assert isinstance(brain, Growable)
    assert list(brain.sites()) == SITES
    assert sum(site.units for site in brain.sites().values()) == brain.num_neurons()
    assert brain.sites()["blocks.0.mixer"].deeper_units == 16 + 32
    assert brain.sites()["self_model"].deeper_units == 0


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("newborns", ["pairs", "zero"])
@pytest.mark.parametrize("site", SITES)
def test_widening_changes_nothing_that_is_said(site: str, newborns: str, kind: str) -> None:
    brain = make(kind)
    learned(brain, 0, 12)
    before, states = said(brain), brain.network.self_model(torch.ones(1, 16))
    counted, parameters = brain.num_neurons(), brain.num_parameters()
    plan = plan_for(brain, site, newborns=newborns)
    unit = brain.sites()[site].parameters_per_unit
    apply_growth(brain, plan, max_neurons=LIMIT)
    torch.testing.assert_close(said(brain), before, rtol=0, atol=2e-6)
    torch.testing.assert_close(brain.network.self_model(torch.ones(1, 16)), states, rtol=0, atol=2e-6)
    assert brain.num_neurons() == counted + plan.units
    assert brain.num_parameters() == parameters + plan.units * unit
    assert brain.state().spec["growth"] == [plan.to_json()]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_elders_keep_every_moment_and_newborns_begin_at_nought(kind: str) -> None:
    brain = make(kind)
    learned(brain, 0, 12)
    before = {name: t.clone() for name, t in brain.state().learning.items()}
    apply_growth(brain, plan_for(brain, "blocks.0.mixer"), max_neurons=LIMIT)
    after = brain.state().learning
    for name, tensor in after.items():
        if name.endswith("|step") and name.startswith("blocks.0.mixer."):
            assert tensor.flatten().tolist() == [12.0] * 16 + [0.0] * 4 or tensor.dim() == 0
            continue
        old = before[name]
        assert torch.equal(tensor[tuple(slice(size) for size in old.shape)], old), name
        if tensor.shape != old.shape and not name.startswith("average"):
            assert tensor.count_nonzero() == old.count_nonzero(), name
    assert after["blocks.0.mixer.gate.weight|step"].shape == (20, 1)
    assert after["blocks.0.mixer.out.weight|step"].shape == (1, 20)
    assert after["carried|blocks.0.mixer.hidden"].shape == (LANES, 20)


def test_deepening_is_exact_to_the_bit_and_shifts_no_name() -> None:
    brain = make()
    learned(brain, 0, 12)
    before, names = said(brain), {name: t.clone() for name, t in brain.state().model.items()}
    apply_growth(brain, deepen("blocks.0.mlp"), max_neurons=LIMIT)
    assert torch.equal(said(brain), before)
    assert brain.module_names == tuple(f"blocks.{i}.{part}" for i in (0, 2, 1) for part in ("mixer", "mlp"))
    assert all(torch.equal(brain.state().model[name], tensor) for name, tensor in names.items())
    assert set(brain.observe(batch(0).bytes)) == set(brain.module_names)
    learned(brain, 12, 16)
    assert brain.state().model["blocks.2.mlp.out.weight"].any()
    apply_growth(brain, plan_for(brain, "blocks.2.mlp"), max_neurons=LIMIT)
    assert list(brain.sites()) == [
        "blocks.0.mixer", "blocks.0.mlp", "blocks.2.mixer", "blocks.2.mlp", "blocks.1.mlp", "self_model",
    ]  # fmt: skip


def test_recycled_units_begin_anew_and_no_neuron_is_added() -> None:
    brain = make()
    learned(brain, 0, 8)
    brain.network.get_parameter("blocks.0.mlp.into.weight").data[3] = 0.0  # silent for ever
    dormant = brain.probe_sites(batch(50), torch.Generator().manual_seed(0))["blocks.0.mlp"].dormant()
    assert 3 in dormant
    before, neurons = said(brain), brain.num_neurons()
    plan = replace(plan_for(brain, "blocks.0.mlp"), operator="recycle", units=1, chosen=(3,))
    apply_growth(brain, plan, max_neurons=neurons)
    torch.testing.assert_close(said(brain), before, rtol=0, atol=2e-6)
    assert brain.num_neurons() == neurons
    steps = brain.state().learning["blocks.0.mlp.into.weight|step"].flatten().tolist()
    assert [unit for unit, age in enumerate(steps) if age == 0] == [3]
    learned(brain, 8, 12)
    assert brain.state().model["blocks.0.mlp.out.weight"][:, 3].any()


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_what_grew_and_was_stored_goes_on_bit_for_bit(kind: str) -> None:
    straight = make(kind)
    learned(straight, 0, 6)
    apply_growth(straight, plan_for(straight, "blocks.0.mixer"), max_neurons=LIMIT)
    apply_growth(straight, deepen("blocks.0.mixer"), max_neurons=LIMIT)
    apply_growth(straight, plan_for(straight, "self_model", newborns="zero"), max_neurons=LIMIT)
    learned(straight, 6, 9)
    live = straight.state()
    stored = BrainState(
        model={name: t.clone() for name, t in live.model.items()},
        learning={name: t.clone() for name, t in live.learning.items()},
        counters=json.loads(json.dumps(dict(live.counters))),
        spec=json.loads(json.dumps(dict(live.spec))),
    )
    resumed = brain_from_spec(
        stored.spec, optimizer=straight.optimizer.config, lanes=LANES, device=CPU, seed=5
    )
    resumed.load(stored)
    assert [resumed.learn(batch(seed)).loss for seed in range(9, 13)] == learned(straight, 9, 13)
    own, other = straight.state(), resumed.state()
    for ours, theirs in ((own.model, other.model), (own.learning, other.learning)):
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_growing_twice_from_one_state_gives_the_same_bits() -> None:
    one, other = make(), make()
    for brain in (one, other):
        learned(brain, 0, 4)
        torch.rand(3)  # the global random state has no say
        apply_growth(brain, plan_for(brain, "blocks.1.mlp"), max_neurons=LIMIT)
        learned(brain, 4, 8)
    assert all(torch.equal(t, other.state().model[name]) for name, t in one.state().model.items())


def test_frozen_weights_stay_frozen() -> None:
    brain = make()
    names = brain.freeze("blocks.1.")
    apply_growth(brain, plan_for(brain, "blocks.0.mlp"), max_neurons=LIMIT)
    frozen = {name for name, weight in brain.network.named_parameters() if not weight.requires_grad}
    assert frozen == set(names)


@pytest.mark.parametrize("newborns", ["pairs", "zero"])
def test_every_newborn_learns(newborns: str) -> None:
    brain = make()
    learned(brain, 0, 10)
    apply_growth(brain, plan_for(brain, "blocks.0.mlp", newborns=newborns), max_neurons=LIMIT)
    into = brain.state().model["blocks.0.mlp.into.weight"][32:].clone()
    learned(brain, 10, 40)
    after = brain.state().model
    assert (after["blocks.0.mlp.into.weight"][32:] - into).norm(dim=1).min() > 1e-3
    assert after["blocks.0.mlp.out.weight"][:, 32:].norm(dim=0).min() > 1e-3
    if newborns == "pairs":  # and the two of a pair have parted
        twins = after["blocks.0.mlp.into.weight"][32:]
        assert (twins[::2] - twins[1::2]).norm(dim=1).min() > 1e-3


def test_the_hard_limit_and_an_unknown_site_are_refused_before_anything_changes() -> None:
    brain = make()
    plan = plan_for(brain, "blocks.0.mlp")
    spec = brain.state().spec
    with pytest.raises(SettingsError, match="max_neurons = 90"):
        apply_growth(brain, plan, max_neurons=90)
    with pytest.raises(SettingsError, match=r"no growth site is called 'blocks\.9\.mlp'"):
        apply_growth(brain, replace(plan, site="blocks.9.mlp"), max_neurons=LIMIT)
    assert brain.state().spec == spec


def test_pairs_come_in_twos() -> None:
    weights = {"into": torch.ones(4, 3), "out": torch.ones(2, 4)}
    with pytest.raises(ValueError, match="pairs come in twos, not 3"):
        widen(
            weights,
            UnitTensors(incoming=("into",), outgoing=("out",)),
            3,
            newborns="pairs",
            pair_scale=0.3,
            seed=0,
        )


def test_averages_of_weights_follow() -> None:
    brain = make()
    learned(brain, 0, 6)
    average = {name: t * 0.5 for name, t in brain.state().model.items()}
    growth = apply_growth(brain, plan_for(brain, "blocks.0.mlp"), max_neurons=LIMIT)
    followed = growth.follow(average)
    assert {name: t.shape for name, t in followed.items()} == {
        name: t.shape for name, t in brain.state().model.items()
    }
    born = followed["blocks.0.mlp.out.weight"][:, 32:]
    assert torch.equal(born[:, ::2], -born[:, 1::2])
