"""A SYNAPSE brain that renews its units: exactly resumed, nothing but the renewed unit touched."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from brain.build import brain_from_spec, build_brain
from brain.growth.config import GrowthConfig
from brain.growth.decision import plan_by_hand
from brain.growth.plan import GrowthPlan
from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from brain.plasticity.config import BrainPlasticityConfig
from brain.ports import BrainState
from tests.contract.cases import copied
from tests.unit.brain.growth.growing_brain import CPU, LANES, SMALL, batch

MLP = "blocks.1.mlp"
OFTEN: dict[str, Any] = {"replacement_rate": 0.03, "maturity_steps": 3, "every_steps": 2}


def optimizer(kind: str = "adamw", **plasticity: Any) -> OptimizerConfig:
    return OptimizerConfig(
        kind="muon" if kind == "muon" else "adamw",
        warmup_steps=2,
        plasticity=BrainPlasticityConfig(**plasticity),
    )


def make(kind: str = "adamw", **plasticity: Any) -> Synapse:
    brain = build_brain(
        "synapse", SMALL, optimizer=optimizer(kind, **plasticity), lanes=LANES, device=CPU, seed=0
    )
    assert isinstance(brain, Synapse)
    return brain


def learn(brain: Synapse, first: int, end: int) -> list[float]:
    return [brain.learn(batch(seed)).loss for seed in range(first, end)]


def everything(brain: Synapse) -> dict[str, Tensor]:
    state = copied(brain.state())
    return {**state.model, **state.learning}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def activity(brain: Synapse, **low: tuple[int, float]) -> dict[str, Tensor]:
    """Every unit is 1, except one of a site (dots written as underscores)."""
    output = {site: torch.ones(4, units) for site, units in brain.spec.sites.items()}
    for site, (unit, value) in low.items():
        output[site.replace("_", ".")][:, unit] = value
    return output


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_resume_across_renewals_continues_bit_for_bit(kind: str) -> None:
    straight = make(kind, l2_init=0.01, shrink=0.01, perturb=0.1, perturb_every_steps=5, **OFTEN)
    learn(straight, 0, 9)
    stored = copied(straight.state())
    resumed = brain_from_spec(
        stored.spec, optimizer=straight.optimizer.config, lanes=LANES, device=CPU, seed=99
    )
    assert isinstance(resumed, Synapse)
    resumed.load(stored)
    assert learn(straight, 9, 20) == learn(resumed, 9, 20)
    assert changed(everything(straight), everything(resumed)) == set()
    assert 0 < stored.counters["renewed"] < straight.counters["renewed"] == resumed.counters["renewed"]


def test_without_renewal_nothing_is_renewed_and_nothing_is_kept_of_units() -> None:
    brain = make(replacement_rate=0.0, l2_init=0.0)
    learn(brain, 0, 20)
    assert brain.counters["renewed"] == 0
    assert brain.optimizer.units == {}
    assert not [name for name in brain.state().learning if name.startswith(("plasticity|", "start|"))]


def make_due(brain: Synapse, site: str, unit: int) -> None:
    """The next look at the units of a site finds this one due."""
    known = brain.plasticity.tensors()
    known[f"plasticity|{site}.due"].fill_(1.0)
    known[f"plasticity|{site}.utility"].fill_(1.0)[unit] = 0.0


def twin(brain: Synapse) -> Synapse:
    """Another brain in the very same state."""
    stored = copied(brain.state())
    other = brain_from_spec(stored.spec, optimizer=brain.optimizer.config, lanes=LANES, device=CPU, seed=1)
    assert isinstance(other, Synapse)
    other.load(stored)
    return other


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_only_the_renewed_unit_is_touched_and_its_moments_and_steps_are_zero(kind: str) -> None:
    brain, unit = make(kind, replacement_rate=1e-6, maturity_steps=0, every_steps=1), 5
    learn(brain, 0, 12)
    make_due(brain, MLP, unit)
    silent, before = twin(brain), everything(brain)
    assert brain.plasticity.follow(12, activity(brain, blocks_1_mlp=(unit, 0.0)), 1e-30) == 1
    after = everything(brain)
    axes = {f"{MLP}.into.weight": 0, f"{MLP}.out.weight": 1}
    touched = {name for name in changed(before, after) if not name.startswith("plasticity|")}
    moments = {name for weight in axes for name in before if name.startswith(f"{weight}|")}
    slow = {f"average|{which}|{weight}" for weight in axes for which in ("plastic", "stable")}
    first = f"start|{MLP}.into.weight"  # those of the out-projection are zero and stay so
    assert touched == {*axes, *moments, *slow, first}
    others = torch.tensor([other for other in range(32) if other != unit])
    for weight, axis in axes.items():
        of_weight = [name for name in touched if weight in name]
        for name in of_weight:
            assert torch.equal(
                before[name].index_select(axis, others), after[name].index_select(axis, others)
            )
            if name in moments:
                assert not after[name].select(axis, unit).any()
            else:
                assert torch.equal(after[name].select(axis, unit), after[weight].select(axis, unit))
    assert after[f"{MLP}.into.weight"][unit].any()
    assert f"{MLP}.into.weight|step" in moments
    # Its outputs are now those of a brain in which that unit alone is silent.
    rows, mask = batch(77).bytes, batch(77).mask
    assert not torch.equal(brain.score(rows, mask), silent.score(rows, mask))
    with torch.no_grad():
        silent.network.get_parameter(f"{MLP}.out.weight")[:, unit] = 0.0
    assert torch.equal(brain.score(rows, mask), silent.score(rows, mask))


def test_a_dead_unit_is_renewed_and_lives_again() -> None:
    brain = make(replacement_rate=0.01, maturity_steps=4, every_steps=1)
    learn(brain, 0, 2)
    unit = 11
    with torch.no_grad():
        brain.network.get_parameter(f"{MLP}.into.weight")[unit] = 0.0  # max(0, 0)² has no gradient, ever
    age = brain.plasticity.tensors()[f"plasticity|{MLP}.age"]
    seed = 2
    while seed < 60:
        learn(brain, seed, seed + 1)
        seed += 1
        if age[unit] == 0.0:
            break
    assert seed < 20
    assert bool(brain.network.get_parameter(f"{MLP}.into.weight")[unit].any())
    learn(brain, seed, seed + 3)
    assert bool(brain.network.get_parameter(f"{MLP}.out.weight")[:, unit].any())
    assert int(age[unit]) == 3


def test_what_a_recurrent_unit_carried_is_forgotten_with_it() -> None:
    brain = make(replacement_rate=1e-6, maturity_steps=0, every_steps=1)
    learn(brain, 0, 1)
    make_due(brain, "blocks.0.mixer", 2)
    hidden = brain.lanes.state["blocks.0.mixer"]["hidden"]
    before = hidden.clone()
    assert bool(before[:, 2].all())
    assert brain.plasticity.follow(1, activity(brain, blocks_0_mixer=(2, 0.0)), 1e-30) == 1
    others = torch.arange(hidden.shape[1]) != 2
    assert bool((hidden[:, 2] == 0).all())
    assert torch.equal(hidden[:, others], before[:, others])


def test_what_is_known_of_units_follows_growth() -> None:
    brain = make(replacement_rate=1e-3, maturity_steps=100, every_steps=1, l2_init=0.01)
    learn(brain, 0, 5)
    before = everything(brain)
    brain.grow(plan_by_hand(brain.sites(), GrowthConfig(), MLP, 0.25, seed=5))
    after = everything(brain)
    for what in ("utility", "mean", "age"):
        known = after[f"plasticity|{MLP}.{what}"]
        assert torch.equal(known[:32], before[f"plasticity|{MLP}.{what}"])
        assert bool((known[32:] == 0).all())
    start = after[f"start|{MLP}.into.weight"]
    assert torch.equal(start[:32], before[f"start|{MLP}.into.weight"])
    assert torch.equal(start[32:], after[f"{MLP}.into.weight"][32:])
    learn(brain, 5, 8)
    assert brain.plasticity.tensors()[f"plasticity|{MLP}.age"].tolist() == [8.0] * 32 + [3.0] * 8


def test_units_that_growth_renews_are_forgotten_and_older_units_keep_their_slow_weights() -> None:
    brain = make(replacement_rate=1e-3, maturity_steps=100, every_steps=1, l2_init=0.01)
    learn(brain, 0, 10)
    before = everything(brain)
    plan = GrowthPlan(operator="recycle", site=MLP, units=2, trigger="by_hand", reason="", chosen=(3, 9))
    brain.grow(plan)
    after = everything(brain)
    chosen, others = torch.tensor([3, 9]), torch.tensor([unit for unit in range(32) if unit not in {3, 9}])
    assert after[f"plasticity|{MLP}.age"][chosen].tolist() == [0.0, 0.0]
    assert after[f"plasticity|{MLP}.age"][others].tolist() == [10.0] * 30
    for which in ("average|stable|", "average|plastic|", "start|"):
        name = f"{which}{MLP}.into.weight"
        assert torch.equal(after[name][others], before[name][others])
        assert torch.equal(after[name][chosen], after[f"{MLP}.into.weight"][chosen])


def test_slow_and_first_weights_of_a_block_just_born_are_its_own() -> None:
    brain = make(l2_init=0.01)
    learn(brain, 0, 3)
    deeper = brain.sites()[MLP].deeper_units
    brain.grow(GrowthPlan(operator="deepen", site=MLP, units=deeper, trigger="by_hand", reason="", seed=5))
    after = everything(brain)
    born = after["blocks.2.mlp.into.weight"]
    for which in ("average|stable|", "average|plastic|", "start|"):
        assert torch.equal(after[f"{which}blocks.2.mlp.into.weight"], born)


@pytest.mark.parametrize("name", ["blocks.0.mlp.into.weight", "embedding"])
def test_matrices_are_drawn_back_to_where_they_began(name: str) -> None:
    brain, free = make(l2_init=30.0, every_steps=4), make(every_steps=4)
    first = brain.state().model[name].clone()
    for each in (brain, free):
        learn(each, 0, 12)
    near, far = ((each.state().model[name] - first).norm() for each in (brain, free))
    assert float(near) < 0.95 * float(far)


def test_shrinking_happens_when_it_is_due() -> None:
    brain = make(shrink=0.5, perturb_every_steps=3)
    name = "blocks.0.mlp.into.weight"
    norms = []
    for seed in range(3):
        learn(brain, seed, seed + 1)
        norms.append(float(brain.state().model[name].norm()))
    assert norms[1] == pytest.approx(norms[0], rel=0.2)
    assert norms[2] == pytest.approx(norms[1] / 2, rel=0.2)


def test_a_frozen_site_is_left_alone() -> None:
    brain = make(l2_init=0.5, shrink=0.2, perturb=0.5, perturb_every_steps=2, **OFTEN)
    learn(brain, 0, 2)
    names = brain.freeze("blocks.0.")
    before = everything(brain)
    learn(brain, 2, 30)
    assert brain.counters["renewed"] > 0
    after = everything(brain)
    assert not changed(before, after) & set(names)


def test_sleep_renews_nobody() -> None:
    brain = make(**OFTEN)
    learn(brain, 0, 3)
    known = {name: t.clone() for name, t in brain.plasticity.tensors().items()}
    for seed in range(3, 20):
        brain.dream(batch(seed), rate_factor=0.5)
    assert changed(known, brain.plasticity.tensors()) == set()


EAGER: dict[str, Any] = {
    "replacement_rate": 0.9, "maturity_steps": 0, "every_steps": 1, "l2_init": 0.5, "shrink": 0.2, "perturb": 0.5,
    "perturb_every_steps": 1,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_at_a_rate_of_0_nothing_that_was_learned_changes(kind: str) -> None:
    brain = make(kind, **EAGER)
    learn(brain, 0, 3)
    assert brain.counters["renewed"] > 0
    brain.scale_learning_rate(0.0)
    before, counters = everything(brain), dict(brain.counters)
    first = learn(brain, 3, 8)
    brain.dream(batch(9), rate_factor=1.0)
    assert {name for name in changed(before, everything(brain)) if not name.startswith("carried|")} == set()
    assert brain.counters == {**counters, "step": counters["step"] + 6}
    assert all(loss > 0 for loss in first)


def test_a_brain_whose_configured_rate_is_0_renews_nobody() -> None:
    still = OptimizerConfig(learning_rate=0.0, plasticity=BrainPlasticityConfig(**EAGER))
    brain = build_brain("synapse", SMALL, optimizer=still, lanes=LANES, device=CPU, seed=0)
    before = copied(brain.state()).model
    for seed in range(4):
        assert brain.learn(batch(seed)).applied
    assert changed(dict(before), dict(brain.state().model)) == set()
    assert brain.state().counters["renewed"] == 0


def test_units_that_were_due_stay_when_renewal_is_switched_off() -> None:
    brain = make(**EAGER)
    learn(brain, 0, 2)
    stored = copied(brain.state())
    off = build_brain(
        "synapse",
        SMALL,
        optimizer=optimizer(**EAGER | {"replacement_rate": 0.0}),
        lanes=LANES,
        device=CPU,
        seed=0,
    )
    known = stored.learning
    fitting = {
        name: known[name] if name in known and known[name].shape == own.shape else own
        for name, own in off.state().learning.items()
    }
    counters = {**stored.counters, "renewed": 0}
    off.load(BrainState(model=stored.model, learning=fitting, counters=counters, spec=stored.spec))
    for seed in range(2, 8):
        off.learn(batch(seed))
    assert off.state().counters["renewed"] == 0
