"""Agency over own words stands beside its controls: an untrained twin and shuffled choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.build import fresh_brain
from brain.capabilities import Steerable
from brain.optim.config import OptimizerConfig
from brain.vitals.config import AgencyConfig
from brain.vitals.own_words import OwnWords, clipped
from brain.vitals.signs.agency import AgencySign
from brain.vitals.twins import UNTRAINED, twin_of
from tests.unit.brain.vitals.networks import Network, moment

if TYPE_CHECKING:
    import pytest

    from brain.ports import Brain

TINY = {
    "kind": "synapse", "hidden_size": 16, "layers": ["mingru"], "num_heads": 2, "window": 8, "mlp_ratio": 2,
    "bigram_size": 4, "self_model_size": 8, "precision": "fp32",
}  # fmt: skip
CONFIG = AgencyConfig(actions=4, next_bytes=2, contexts=8, contexts_per_tick=4)
ROWS = torch.randint(0, 256, (4, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def tiny() -> Brain:
    return fresh_brain(TINY, optimizer=OptimizerConfig(), lanes=4, device=torch.device("cpu"), seed=0)


def speaker() -> Network:
    """A network whose next byte depends on the byte before it."""
    network = Network()
    network.readout = network.readout * 4
    return network


def probed(brain: Brain, words: OwnWords, *, times: int = 2) -> OwnWords:
    generator = torch.Generator().manual_seed(3)
    assert isinstance(brain, Steerable)
    for step in range(times):
        words.probe(brain, ROWS, generator=generator)
        words.measure_control(brain, ROWS, step=step)
    return words


def test_a_brain_that_has_learned_nothing_is_its_own_control() -> None:
    untrained = twin_of(tiny(), UNTRAINED, seed=3)
    words = probed(untrained, OwnWords(CONFIG, seed=3), times=1)
    own, twin = words.estimate(), words.of_twin()
    assert own is not None
    assert own == twin
    assert own.samples == 4
    assert words.controls()["control.untrained"] == clipped(own)


def test_shuffled_choices_leave_nothing_to_recognise() -> None:
    words = probed(speaker(), OwnWords(AgencyConfig(contexts=8), seed=0))
    own, shuffled = words.estimate(), words.shuffled()
    assert own is not None
    assert shuffled is not None
    assert own.eta > 0.3
    assert clipped(shuffled) == 0.0
    assert "control.untrained" not in words.controls()  # no twin can be made of this network, and none is 0


def test_no_value_stands_without_its_untrained_control() -> None:
    brain, sign = tiny(), AgencySign(CONFIG, seed=0)
    readings = [sign.measure(moment(brain, step)) for step in range(4)]
    shown = [reading for reading in readings if reading.value is not None]
    assert shown
    for reading in shown:
        assert {"control.untrained", "control.untrained.step", "control.shuffled"} <= reading.detail.keys()


def test_the_control_is_measured_in_its_turn_alone_once_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(brain: Brain, control: str, *, seed: int) -> Brain:
        made.append(control)
        return twin_of(brain, control, seed=seed)

    monkeypatch.setattr("brain.vitals.own_words.twin_of", counted)
    probed(tiny(), OwnWords(CONFIG, seed=3), times=9)
    assert len(made) == 2  # at the first tick and the ninth
    made.clear()
    probed(tiny(), OwnWords(AgencyConfig(contexts=16, actions=4, next_bytes=2), seed=3), times=4)
    assert len(made) == 2  # at the first tick, and where a value would stand without it
    made.clear()
    probed(tiny(), OwnWords(AgencyConfig(contexts=8, control_every_ticks=0), seed=3), times=9)
    assert made == []


def test_what_was_probed_survives_a_restart_with_its_controls() -> None:
    words = probed(tiny(), OwnWords(CONFIG, seed=3))
    resumed = OwnWords(CONFIG, seed=3)
    resumed.load({name: tensor.clone() for name, tensor in words.tensors().items()})
    assert resumed.estimate() == words.estimate()
    assert resumed.controls() == words.controls()


def test_what_a_checkpoint_before_the_control_does_not_know_begins_empty() -> None:
    words = probed(tiny(), OwnWords(CONFIG, seed=3))
    resumed = OwnWords(CONFIG, seed=3)
    resumed.load({name: tensor for name, tensor in words.tensors().items() if name.startswith("probed.")})
    assert resumed.estimate() == words.estimate()
    assert "control.untrained" not in resumed.controls()
