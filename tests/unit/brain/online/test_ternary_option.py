"""The ternary option of an architecture: what it makes ternary, and that it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from brain.build import build_brain
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.online.network_spec import ternary_form
from brain.optim.config import OptimizerConfig

if TYPE_CHECKING:
    from brain.online.online_brain import OnlineBrain


def brain(**settings: Any) -> OnlineBrain[Any]:
    small = {"hidden_size": 16, "layers": ["mingru", "attention", "ssd"], "num_heads": 2, "bigram_size": 4}
    built = build_brain(
        "synapse",
        small | settings,
        optimizer=OptimizerConfig(),
        lanes=2,
        device=torch.device("cpu"),
        seed=0,
    )
    return cast("OnlineBrain[Any]", built)


def test_matrices_between_layers_are_ternary_and_nothing_else() -> None:
    one = brain(ternary=True)
    plan = GrowthPlan(operator="expert", site="blocks.0.mlp", units=4, trigger="by_hand", reason="a test")
    apply_growth(one, plan, max_neurons=10_000)
    made = {name for name, m in one.network.named_modules() if getattr(m, "is_ternary", False)}
    assert {"blocks.0.mixer.gate", "blocks.1.mixer.qkv", "blocks.2.mlp.out", "self_model.into"} <= made
    assert "blocks.0.experts.0.into" in made
    assert made.isdisjoint({"head", "bigram.out", "blocks.0.experts.0.gate"})
    assert {f"{name}.weight" for name in made} == one.network.ternary_matrices().keys()


def test_without_the_option_nothing_is() -> None:
    assert not any(getattr(module, "is_ternary", False) for module in brain().network.modules())


def test_a_brain_that_goes_back_to_before_it_was_ternary_stays_so() -> None:
    before, one = brain().state(), brain(ternary=True)
    one.rebuild(before.spec)
    one.load(before)
    assert one.spec.ternary
    assert one.network.get_submodule("blocks.0.mlp.into").is_ternary
    assert ternary_form(before.spec) == one.state().spec
