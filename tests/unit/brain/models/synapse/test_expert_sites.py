"""Experts of the default brain are growth sites like any other, and part of their MLP to whoever watches."""

from __future__ import annotations

from dataclasses import replace

import torch

from brain.growth.apply import apply_growth
from tests.unit.brain.growth.growing_brain import batch, learned, make, next_logits, plan_for, stored
from tests.unit.brain.models.synapse.test_births import LIMIT, bear

EXPERT = "blocks.0.experts.0"


def test_an_expert_is_a_site_in_the_place_of_its_mlp() -> None:
    brain = make()
    bear(brain, "expert")
    bear(brain, "expert")
    sites = brain.sites()
    assert list(sites) == [
        "blocks.0.mixer", "blocks.0.mlp", EXPERT, "blocks.0.experts.1", "blocks.1.mlp", "self_model",
    ]  # fmt: skip
    assert sites[EXPERT].units == sites["blocks.0.mlp"].units // 4 == 8
    assert [site.place for site in sites.values()] == [0, 1, 1, 1, 2, 4]
    assert sites["blocks.0.mlp"].expert is not None
    assert sites["blocks.0.mlp"].expert.name == "blocks.0.experts.2"
    assert sites[EXPERT].expert is None
    assert sum(site.units for site in sites.values()) == brain.num_neurons()
    assert list(brain.probe_sites(batch(3), torch.Generator().manual_seed(0))) == list(sites)


def test_widening_an_expert_changes_no_output() -> None:
    brain = make()
    bear(brain, "expert")
    learned(brain, 0, 12)
    before, parameters = next_logits(brain), brain.num_parameters()
    widening = plan_for(brain, EXPERT, 0.5)
    apply_growth(brain, widening, max_neurons=LIMIT)
    torch.testing.assert_close(next_logits(brain), before, rtol=0, atol=2e-6)
    assert brain.sites()[EXPERT].units == 12
    assert brain.sites()[EXPERT].born_units == 8
    assert brain.num_parameters() - parameters == widening.units * brain.sites()[EXPERT].parameters_per_unit
    learned(brain, 12, 20)
    out = brain.state().model[f"{EXPERT}.out.weight"]
    assert (out[:, 8::2] - out[:, 9::2]).abs().sum() < out[:, 8:].abs().sum() * 2
    assert bool(out[:, 8:].any(dim=0).all())


def test_units_of_an_expert_are_renewed_by_growth_and_by_continual_backprop() -> None:
    brain = make(plasticity={"replacement_rate": 1e-6, "maturity_steps": 0, "every_steps": 1})
    bear(brain, "expert")
    learned(brain, 0, 6)
    recycling = replace(plan_for(brain, EXPERT, 0.5), operator="recycle", units=2, chosen=(1, 4))
    apply_growth(brain, recycling, max_neurons=LIMIT)
    steps = brain.state().learning[f"{EXPERT}.into.weight|step"].flatten()
    assert [unit for unit, age in enumerate(steps.tolist()) if age == 0] == [1, 4]
    known = brain.plasticity.tensors()
    known[f"plasticity|{EXPERT}.due"].fill_(1.0)
    known[f"plasticity|{EXPERT}.utility"].fill_(1.0)[6] = 0.0
    known[f"plasticity|{EXPERT}.age"].fill_(100.0)
    into = brain.network.get_parameter(f"{EXPERT}.into.weight").detach().clone()
    activity = {site: torch.ones(4, units) for site, units in brain.spec.sites.items()}
    activity[EXPERT][:, 6] = 0.0
    assert brain.plasticity.follow(6, activity, 1e-30) == 1
    changed = (brain.network.get_parameter(f"{EXPERT}.into.weight") != into).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [6]


def test_the_activations_of_an_expert_are_shown_to_vital_signs() -> None:
    brain = make()
    bear(brain, "expert")
    evidence = brain.learn(batch(0)).evidence
    assert {name.removeprefix("units|") for name in evidence if name.startswith("units|")} == set(
        brain.sites()
    )
    assert evidence[f"units|{EXPERT}"].shape[1] == 8


def test_a_watched_mlp_is_recorded_with_its_experts() -> None:
    brain = make()
    learned(brain, 0, 6)
    bear(brain, "expert")
    learned(brain, 6, 16)
    names = brain.module_names
    assert names == tuple(f"blocks.{index}.{part}" for index in (0, 1) for part in ("mixer", "mlp"))
    rows = batch(40).bytes
    whole = brain.observe(rows)
    out = brain.network.get_parameter(f"{EXPERT}.out.weight").data
    kept = out.clone()
    out.zero_()
    silent = brain.observe(rows)
    assert torch.equal(whole["blocks.0.mixer"], silent["blocks.0.mixer"])
    assert not torch.equal(whole["blocks.0.mlp"], silent["blocks.0.mlp"])
    out.copy_(kept)
    nudge = torch.full_like(whole["blocks.0.mlp"], 0.25)
    moved = brain.observe(rows, inject={"blocks.0.mlp": nudge})
    assert torch.equal(moved["blocks.0.mlp"], whole["blocks.0.mlp"] + 0.25)


def test_a_block_can_be_born_behind_one_with_an_expert_and_bear_its_own() -> None:
    brain = make()
    bear(brain, "expert")
    learned(brain, 0, 4)
    units = brain.sites()[EXPERT].deeper_units
    deepening = replace(plan_for(brain, EXPERT, 0.5), operator="deepen", units=units)
    before = next_logits(brain)
    apply_growth(brain, deepening, max_neurons=LIMIT)
    bear(brain, "expert", "blocks.2.mlp")
    assert torch.equal(next_logits(brain), before)
    assert list(brain.sites()) == [
        "blocks.0.mixer", "blocks.0.mlp", EXPERT, "blocks.2.mixer", "blocks.2.mlp", "blocks.2.experts.0",
        "blocks.1.mlp", "self_model",
    ]  # fmt: skip
    assert stored(brain).spec["experts"] == {EXPERT: 8, "blocks.2.experts.0": 8}
    learned(brain, 4, 8)
