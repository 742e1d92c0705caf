"""Growth keeps a brain's outputs and the optimizer moments of older units, and the new units learn."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.blocks.mlp import MLP, squared_relu
from brain.build import brain_from_spec
from brain.capabilities import Growable
from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.operators import recycle, widen
from brain.growth.plan import GrowthPlan, Newborns
from brain.ports import BrainState
from tests.unit.brain.growth.growing_brain import (
    CPU,
    LANES,
    ONE_SITE,
    batch,
    differing,
    learned,
    make,
    next_logits,
    plan_for,
    stored,
)

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
def test_widening_changes_no_output(site: str, newborns: str, kind: str) -> None:
    brain = make(kind)
    learned(brain, 0, 12)
    before, states = next_logits(brain), brain.network.self_model(torch.ones(1, 16))
    counted, parameters = brain.num_neurons(), brain.num_parameters()
    plan = plan_for(brain, site, newborns=newborns)
    unit = brain.sites()[site].parameters_per_unit
    apply_growth(brain, plan, max_neurons=LIMIT)
    torch.testing.assert_close(next_logits(brain), before, rtol=0, atol=2e-6)
    torch.testing.assert_close(brain.network.self_model(torch.ones(1, 16)), states, rtol=0, atol=2e-6)
    assert brain.num_neurons() == counted + plan.units
    assert brain.num_parameters() == parameters + plan.units * unit
    assert brain.state().spec["growth"] == [plan.to_json()]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_older_units_keep_every_moment_and_newborns_begin_at_zero(kind: str) -> None:
    brain = make(kind)
    learned(brain, 0, 12)
    before = {name: t.clone() for name, t in brain.state().learning.items()}
    apply_growth(brain, plan_for(brain, "blocks.0.mixer"), max_neurons=LIMIT)
    after = brain.state().learning
    for name, tensor in after.items():
        if name.endswith("|step") and name.startswith("blocks.0.mixer."):
            counted_whole = name == "blocks.0.mixer.conv.weight|step"  # it has no units
            assert tensor.flatten().tolist() == ([12.0] if counted_whole else [12.0] * 16 + [0.0] * 4)
            continue
        old = before[name]
        assert torch.equal(tensor[tuple(slice(size) for size in old.shape)], old), name
        if tensor.shape != old.shape and not name.startswith(("average|", "start|")):
            assert tensor.count_nonzero() == old.count_nonzero(), name
    assert after["blocks.0.mixer.gate.weight|step"].shape == (20, 1)
    assert after["blocks.0.mixer.out.weight|step"].shape == (1, 20)
    assert after["carried|blocks.0.mixer.hidden"].shape == (LANES, 20)


def test_deepening_is_exact_to_the_bit_and_shifts_no_name() -> None:
    brain = make()
    learned(brain, 0, 12)
    before, names = next_logits(brain), {name: t.clone() for name, t in brain.state().model.items()}
    apply_growth(brain, deepen("blocks.0.mlp"), max_neurons=LIMIT)
    assert torch.equal(next_logits(brain), before)
    assert brain.module_names == tuple(f"blocks.{i}.{part}" for i in (0, 2, 1) for part in ("mixer", "mlp"))
    assert all(torch.equal(brain.state().model[name], tensor) for name, tensor in names.items())
    assert set(brain.observe(batch(0).bytes)) == set(brain.module_names)
    learned(brain, 12, 16)
    assert brain.state().model["blocks.2.mlp.out.weight"].any()
    apply_growth(brain, plan_for(brain, "blocks.2.mlp"), max_neurons=LIMIT)
    assert list(brain.sites()) == [
        "blocks.0.mixer", "blocks.0.mlp", "blocks.2.mixer", "blocks.2.mlp", "blocks.1.mlp", "self_model",
    ]  # fmt: skip


def test_recycled_units_start_over_and_no_neuron_is_added() -> None:
    brain = make()
    learned(brain, 0, 8)
    brain.network.get_parameter("blocks.0.mlp.into.weight").data[3] = 0.0  # silent forever
    dormant = brain.probe_sites(batch(50), torch.Generator().manual_seed(0))["blocks.0.mlp"].dormant()
    assert 3 in dormant
    before, neurons = next_logits(brain), brain.num_neurons()
    plan = replace(plan_for(brain, "blocks.0.mlp"), operator="recycle", units=1, chosen=(3,))
    apply_growth(brain, plan, max_neurons=neurons)
    torch.testing.assert_close(next_logits(brain), before, rtol=0, atol=2e-6)
    assert brain.num_neurons() == neurons
    steps = brain.state().learning["blocks.0.mlp.into.weight|step"].flatten().tolist()
    assert [unit for unit, age in enumerate(steps) if age == 0] == [3]
    learned(brain, 8, 12)
    assert brain.state().model["blocks.0.mlp.out.weight"][:, 3].any()


def test_renewing_no_unit_changes_no_weight() -> None:
    brain = make()
    learned(brain, 0, 4)
    before = stored(brain)
    plan = replace(plan_for(brain, "blocks.0.mlp"), operator="recycle", units=0, chosen=())
    apply_growth(brain, plan, max_neurons=LIMIT)
    assert not [name for name in differing(before, stored(brain)) if not name.endswith("|step")]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_what_grew_and_was_stored_continues_bit_for_bit(kind: str) -> None:
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
    weights = {"into.weight": torch.ones(4, 3), "out.weight": torch.ones(2, 4)}
    with pytest.raises(ValueError, match="pairs come in twos, not 3"):
        widen(weights, ONE_SITE, 3, newborns="pairs", pair_scale=0.3, seed=0)


def test_newborns_take_after_their_parents_and_are_as_strong() -> None:
    into = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)) * 3.0
    weights = {"into.weight": into, "out.weight": torch.ones(2, 40)}
    born = widen(weights, ONE_SITE, 400, newborns="pairs", pair_scale=0.3, seed=1).born
    assert torch.equal(born["into.weight"][::2], born["into.weight"][1::2])
    assert torch.equal(born["out.weight"][:, ::2], -born["out.weight"][:, 1::2])
    fresh = born["into.weight"][::2]
    assert float(fresh.std() / into.std()) == pytest.approx(1.0, abs=0.05)
    likeness = torch.cosine_similarity(fresh[:, None], into[None], dim=2).max(dim=1).values
    assert float(likeness.mean()) == pytest.approx(0.5**0.5, abs=0.05)


def test_where_outgoing_weights_are_zero_the_two_of_a_pair_differ() -> None:
    brain = make()  # every out-projection is zero
    apply_growth(brain, plan_for(brain, "blocks.0.mlp"), max_neurons=LIMIT)
    assert not brain.state().model["blocks.0.mlp.out.weight"].any()
    learned(brain, 0, 20)
    newborns = brain.state().model["blocks.0.mlp.out.weight"][:, 32:]
    assert (newborns[:, ::2] - newborns[:, 1::2]).norm(dim=0).min() > 1e-3


def test_a_site_of_dormant_units_alone_is_born_again_alive() -> None:
    dead = {"into.weight": torch.full((6, 4), -1.0), "out.weight": torch.ones(3, 6)}
    zero = {"into.weight": torch.zeros(6, 4), "out.weight": torch.ones(3, 6)}
    x = torch.rand(100, 4, generator=torch.Generator().manual_seed(0)) - 0.3
    for weights in (dead, zero):
        renewed = recycle(weights, ONE_SITE, torch.arange(6), seed=4)
        assert not renewed["out.weight"].any()
        assert renewed["into.weight"].shape == (6, 4)
        alive = (x @ renewed["into.weight"].T).clamp(min=0).mean(dim=0)
        assert int((alive > 1e-3).sum()) >= 5
        assert torch.equal(weights["out.weight"], torch.ones(3, 6))


def test_renewed_units_take_after_living_units_alone() -> None:
    into = torch.zeros(5, 50)
    into[2] = torch.randn(50, generator=torch.Generator().manual_seed(0))
    weights = {"into.weight": into, "out.weight": torch.ones(3, 5)}
    renewed = recycle(weights, ONE_SITE, torch.tensor([0, 1, 3, 4]), seed=1)["into.weight"]
    assert torch.equal(renewed[2], into[2])
    likeness = torch.cosine_similarity(renewed[[0, 1, 3, 4]], into[2:3], dim=1)
    assert float(likeness.min()) > 0.5


@settings(max_examples=40, deadline=None)
@given(
    hidden=st.integers(1, 40),
    pairs=st.integers(1, 12),
    newborns=st.sampled_from(["pairs", "zero"]),
    pair_scale=st.floats(0.02, 1.0),
    strength=st.floats(1e-3, 10.0),
    seed=st.integers(0, 2**31),
)
def test_whatever_its_sizes_and_weights_a_site_keeps_its_output(
    *, hidden: int, pairs: int, newborns: Newborns, pair_scale: float, strength: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    mlp, grown = (
        MLP(7, hidden=hidden, out_size=9),
        MLP(7, hidden=hidden + 2 * pairs, born_hidden=hidden, out_size=9),
    )
    for weight in mlp.parameters():
        torch.nn.init.normal_(weight, std=strength, generator=generator)
    weights = {name: weight.detach() for name, weight in mlp.named_parameters()}
    growth = widen(weights, ONE_SITE, 2 * pairs, newborns=newborns, pair_scale=pair_scale, seed=seed)
    grown.load_state_dict(growth.follow(weights))
    x = torch.randn(20, 7, generator=generator)
    with torch.no_grad():
        # Rounding alone: of sums whose terms are as large as these.
        terms = squared_relu(grown.into(x)) @ grown.out.weight.abs().T
        bound = float(terms.max()) * 8 * torch.finfo(x.dtype).eps
        torch.testing.assert_close(grown(x), mlp(x), rtol=0, atol=bound)
        assert torch.equal(grown.into.weight[:hidden], mlp.into.weight)
        assert torch.equal(grown.out.weight[:, :hidden], mlp.out.weight)


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
