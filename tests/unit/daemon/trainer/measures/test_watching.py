"""The watch over a run's vital signs: a sign with a new definition continues with an event, not with its old curve."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import pytest

from brain.vitals.config import VitalsConfig
from daemon.events import VitalSignRedefined
from daemon.trainer.measures.watching import Watch
from tests.unit.brain.vitals.networks import Network, moment

if TYPE_CHECKING:
    import torch

CONFIG = VitalsConfig(every_steps=1, budget_share=1.0)


def looked(watch: Watch, step: int) -> list[VitalSignRedefined]:
    tick = watch.look(dataclasses.replace(moment(Network(), step), training_seconds=100.0 * step))
    assert tick is not None
    return [event for event in tick.events if isinstance(event, VitalSignRedefined)]


@pytest.fixture
def stored() -> dict[str, torch.Tensor]:
    """Windows of all signs after a tick."""
    watch = Watch(CONFIG, seed=0)
    assert looked(watch, 1) == []
    return watch.state_tensors()


def test_a_run_of_the_same_definitions_continues_without_an_event(stored: dict[str, torch.Tensor]) -> None:
    watch = Watch(CONFIG, seed=0)
    watch.load(stored, {})
    assert looked(watch, 2) == []


def test_a_checkpoint_without_definitions_is_of_the_ones_before(stored: dict[str, torch.Tensor]) -> None:
    old = {name: tensor for name, tensor in stored.items() if not name.endswith("|definition")}
    watch = Watch(CONFIG, seed=0)
    watch.load(old, {})
    watch.alarms.load({"book": {"series": {"agency": [[1.0, 0.9]], "phi": [[1.0, 0.4]]}}})
    assert looked(watch, 2) == [VitalSignRedefined(step=2, sign="agency", before=2, now=3)]
    kept = watch.alarms.state()["book"]["series"]
    assert [1.0, 0.9] not in kept["agency"]
    assert [1.0, 0.4] in kept["phi"]
    assert looked(watch, 3) == []  # reported once


def test_each_sign_of_a_tick_shows_life() -> None:
    watch, signs_of_life = Watch(CONFIG, seed=0), []
    tick = watch.look(
        dataclasses.replace(moment(Network(), 1), training_seconds=100.0), lambda: signs_of_life.append(1)
    )
    assert tick is not None
    assert len(signs_of_life) == len(tick.readings) > 1


def test_what_is_gathered_between_ticks_is_paid_for_by_the_next() -> None:
    clock = itertools.count(0.0, 0.25)  # every look at it costs a quarter of a second
    config = VitalsConfig(every_steps=10, budget_share=1.0)
    watch = Watch(config, seed=0, clock=lambda: next(clock))
    for step in range(1, 11):
        watch.look(dataclasses.replace(moment(Network(), step), training_seconds=100.0 * step))
    assert watch.governor_state()["ticks"] == 1
    assert watch.governor_state()["spent_seconds"] == pytest.approx(10 * 0.25)
