"""Frozen weights do not learn, across restarts and in the controls of a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from brain.plasticity.config import BrainPlasticityConfig
from brain.vitals.config import VitalsConfig
from brain.vitals.controls import probe_with_controls
from tests.faults.tiny_brain import text, tiny_brain, weights
from tests.still_loop import StillLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.home import Home


def resumed(loop: StillLoop, home: Home) -> StillLoop:
    checkpoint = home.checkpoints / loop.parts.saver.save("manual")
    loop.let_go()
    return StillLoop(home, session=2, checkpoint=checkpoint, vitals__enabled=False)


def slept(loop: StillLoop, _: Home) -> StillLoop:
    loop.parts.effects.order("sleep", {"steps": 2})
    while loop.parts.sleeping.asleep:
        loop.parts.dreaming.dream()
    return loop


def rolled_back(loop: StillLoop, _: Home) -> StillLoop:
    checkpoint = loop.parts.saver.save("manual")
    loop.learn()
    loop.parts.effects.order("roll_back", {"checkpoint": checkpoint})
    return loop


def grown(loop: StillLoop, _: Home) -> StillLoop:
    plan = loop.parts.growth_by_hand.plan("blocks.1.mlp", 0.1)
    loop.parts.effects.grow(plan)
    return loop


@pytest.mark.fault(
    "Frozen weights",
    tried="a part of the brain is frozen; then the run restarts, sleeps, grows or rolls back",
    happens="it stays frozen: not a bit of it moves",
)
@pytest.mark.parametrize("meanwhile", [resumed, slept, rolled_back, grown])
def test_what_is_frozen_stays_frozen(home: Home, meanwhile: Callable[[StillLoop, Home], StillLoop]) -> None:
    loop = StillLoop(home, vitals__enabled=False)
    loop.learn()
    brain = loop.parts.brain
    assert isinstance(brain, Synapse)
    names = brain.freeze("blocks.0.")
    before = weights(brain)
    loop = meanwhile(loop, home)
    for _ in range(2):
        loop.learn()
    after = loop.parts.brain.state().model
    loop.let_go()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert moved.isdisjoint(names)


@pytest.mark.fault(
    "Frozen weights",
    tried="a checkpoint whose units are renewed at every step is probed beside its null controls",
    happens="no control renews a unit or moves a weight",
)
def test_a_control_learns_nothing() -> None:
    eager = BrainPlasticityConfig(
        replacement_rate=0.9, maturity_steps=0, every_steps=1, shrink=0.5, perturb=0.5, perturb_every_steps=1
    )
    made: list[tuple[Synapse, dict[str, torch.Tensor]]] = []

    def make(_: bool) -> Brain:
        brain = tiny_brain(optimizer=OptimizerConfig(plasticity=eager))
        made.append((brain, weights(brain)))
        return brain

    probe_with_controls(make, [text(seed) for seed in range(4)], VitalsConfig(), seed=0)
    assert len(made) == 4
    assert [brain.counters["renewed"] for brain, _ in made] == [0] * 4
    for brain, before in made:
        # One is scrambled, and in the untrained one what begins at zero is drawn.
        numbers = {name: weight.sort().values for name, weight in flat(before).items() if weight.any()}
        now = {name: weight.sort().values for name, weight in flat(weights(brain)).items()}
        assert len(numbers) > 10
        assert all(torch.equal(numbers[name], now[name]) for name in numbers)


def flat(named: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: weight.flatten() for name, weight in named.items()}
