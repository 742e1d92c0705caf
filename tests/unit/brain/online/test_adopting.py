"""A stored state in a brain that learns by other settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.unit.brain.growth.growing_brain import learned, make, plan_for, stored


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_plasticity_switched_on_later_begins_where_the_brain_stands(kind: str) -> None:
    plain = make(kind, plasticity={"replacement_rate": 0.0, "l2_init": 0.0})
    learned(plain, 0, 3)
    grown = plan_for(plain, "blocks.0.mlp")
    plain.grow(grown)
    learned(plain, 3, 5)
    kept = stored(plain)
    plastic = make(kind, plasticity={"replacement_rate": 1e-3, "l2_init": 0.1}, seed=9)
    plastic.rebuild(kept.spec)
    fitted, notices = plastic.adopt(kept)
    learning = fitted.learning
    for name, tensor in learning.items():
        if name.startswith("start|"):
            assert torch.equal(tensor, kept.model[name.removeprefix("start|")]), name
        if name.endswith("|exp_avg"):
            assert tensor is kept.learning[name]
    # Older units keep the age of their moments, new ones have their own.
    assert learning["blocks.1.mlp.out.weight|step"].tolist() == [[5.0] * 32]
    assert learning["blocks.0.mlp.out.weight|step"].tolist() == [[5.0] * 32 + [2.0] * grown.units]
    assert [notice.partition(" ")[0] for notice in notices] == ["optimizer.plasticity.l2_init", "the"]
    assert "how useful each unit is" in notices[1]

    # And back: the moments of every unit continue in one optimizer, as old as its oldest unit.
    plastic.load(fitted)
    learned(plastic, 5, 6)
    again = make(kind, plasticity={"replacement_rate": 0.0, "l2_init": 0.0})
    again.rebuild(kept.spec)
    back = again.adopt(stored(plastic))[0].learning
    if kind == "adamw":
        assert back["blocks.1.mlp.out.weight|step"].item() == 6.0
    assert back["blocks.0.mlp.out.weight|step"].tolist() == [[6.0] * 32 + [3.0] * grown.units]


def test_names_of_frozen_weights_that_stood_among_the_counters_are_taken_over() -> None:
    brain = make()
    brain.freeze("blocks.0.")
    now = stored(brain)
    counters = {**now.counters, "frozen": now.spec["frozen"]}
    spec = {name: value for name, value in now.spec.items() if name != "frozen"}
    again = make(seed=3)
    again.load(replace(now, counters=counters, spec=spec))
    assert again.state().spec["frozen"] == now.spec["frozen"]
    assert not again.network.get_parameter("blocks.0.mlp.into.weight").requires_grad
    assert "frozen" not in again.state().counters
