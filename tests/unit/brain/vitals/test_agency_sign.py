"""Agency of live brains: real choices, choices without effect, and closed-loop probes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from brain.ports import Choice, Reading
from brain.vitals.config import AgencyConfig
from brain.vitals.signs.agency import AgencySign
from tests.unit.brain.vitals.networks import Network, Unwatchable, moment

CANDIDATES = 3


def rows_of(generator: np.random.Generator, source: np.ndarray) -> Tensor:
    """Sources differ in which bytes they use."""
    table = np.array([np.roll(np.linspace(1, 4, 16), 5 * index) for index in range(CANDIDATES)])
    table /= table.sum(1, keepdims=True)
    rows = [generator.choice(16, size=64, p=table[index]) + 65 for index in source]
    return torch.from_numpy(np.array(rows, dtype=np.uint8))


def chooser(
    sign: AgencySign, *, num_steps: int, obeyed: bool, start: int = 0, brain: Network | None = None
) -> Reading:
    """Eight lanes that choose every fourth step; the stream obeys, or reads what it likes."""
    brain = brain or Network()
    for step in range(start, start + num_steps):
        generator = np.random.default_rng(step)
        drawn = np.random.default_rng(10_000 + step // 4).integers(CANDIDATES, size=8)
        read = drawn if obeyed else np.random.default_rng(20_000 + step // 4).integers(CANDIDATES, size=8)
        choices = tuple(
            Choice(lane=lane, candidates=CANDIDATES, chosen=int(drawn[lane]), randomised=lane != 0)
            for lane in range(8 if step % 4 == 0 else 0)
        )
        now = moment(brain, step, rows=rows_of(generator, read), choices=choices)
        sign.observe(now)
        if step % 8 == 7:
            reading = sign.measure(now)
    return reading


def remembering() -> Network:
    """A network whose state is a leaky sum of what it read: where it was shows."""
    network = Network()
    network.weights = 0.97 * torch.eye(len(network.weights))
    network.inputs = 0.05 * network.inputs
    return network


def test_choices_that_decide_what_is_read_show_agency() -> None:
    reading = chooser(AgencySign(AgencyConfig(), seed=0), num_steps=400, obeyed=True, brain=remembering())
    assert reading.value is not None, reading.reason
    assert reading.value > 0.6
    assert reading.detail["world"] > 0.7
    assert 0.0 < reading.detail["self"] < 1.0
    assert reading.detail["acts"] == 1.0
    assert reading.detail["choices"] == 7 * 100  # only the randomised ones
    assert reading.version.startswith("3 ")


def test_a_brain_that_forgets_what_it_read_tells_little_of_its_acts() -> None:
    reading = chooser(AgencySign(AgencyConfig(), seed=0), num_steps=400, obeyed=True, brain=Network())
    assert reading.value is not None
    assert reading.value < 0.1
    assert reading.detail["world"] > 0.7


def test_no_value_stands_without_its_untrained_control(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brain.vitals.signs.agency.twin_of", lambda *_, **__: Network())
    sign = AgencySign(AgencyConfig(control_every_ticks=1000), seed=0)
    brain = remembering()
    shown = [chooser(sign, num_steps=8, obeyed=True, start=start, brain=brain) for start in range(0, 400, 8)]
    shown = [reading for reading in shown if reading.value is not None]
    assert shown
    assert all("control.untrained" in reading.detail for reading in shown)


def test_choices_without_effect_show_none() -> None:
    reading = chooser(AgencySign(AgencyConfig(), seed=0), num_steps=400, obeyed=False, brain=remembering())
    assert reading.value is not None
    assert reading.value < 0.05
    assert reading.raw is not None
    assert reading.raw < 0.05
    assert reading.detail["world"] < 0.05


def test_a_brain_without_eyes_tells_nothing_of_its_acts_though_the_world_answers() -> None:
    """The same text, the same choices: what differs is the brain."""
    blind = Network()
    blind.inputs = torch.zeros_like(blind.inputs) + 0.3
    silent = Network(constant=True)
    for brain, kept in ((blind, "constant"), (silent, "constant"), (Unwatchable(), "no modules")):
        reading = chooser(AgencySign(AgencyConfig(), seed=0), num_steps=400, obeyed=True, brain=brain)
        assert reading.detail["world"] > 0.7
        assert reading.value is None
        assert kept in str(reading.reason)


def test_activity_that_is_not_finite_gives_no_value() -> None:
    broken = Network()
    broken.poison = 1
    reading = chooser(AgencySign(AgencyConfig(), seed=0), num_steps=40, obeyed=True, brain=broken)
    assert reading.value is None
    assert "not finite" in str(reading.reason)


def test_warming_up_counts_choices() -> None:
    reading = chooser(AgencySign(AgencyConfig(), seed=0), num_steps=8, obeyed=True)
    assert reading.value is None
    assert str(reading.reason).startswith("warming up, 14 of 100 choices")


def test_a_single_candidate_is_no_choice() -> None:
    sign = AgencySign(AgencyConfig(warm_up_choices=1), seed=0)
    for step in range(6):
        now = moment(Network(), step, choices=(Choice(lane=0, candidates=1, chosen=0, randomised=True),))
        sign.observe(now)
    assert sign.measure(now).value is None


def probed(brain: Any, ticks: int = 8, *, sign: AgencySign | None = None, start: int = 1) -> Reading:
    sign = sign or AgencySign(AgencyConfig(), seed=0)
    for step in range(start, start + ticks):
        now = moment(brain, step)
        sign.observe(now)
        reading = sign.measure(now)
    return reading


def test_stream_that_cannot_be_influenced_gives_world_agency_of_exactly_zero() -> None:
    reading = probed(Network())
    assert reading.detail["acts"] == 0.0
    assert reading.detail["world"] == 0.0
    assert reading.value == reading.detail["self"]


def test_a_brain_that_reads_its_own_output_has_more_agency_over_it_than_one_that_ignores_it() -> None:
    using_input = Network()
    using_input.readout = using_input.readout * 4
    ignoring_input = Network()
    ignoring_input.readout, ignoring_input.inputs = (
        ignoring_input.readout * 4,
        torch.zeros_like(ignoring_input.inputs) + 0.3,
    )
    used, ignored = probed(using_input), probed(ignoring_input)
    assert used.value is not None
    assert ignored.value is not None
    assert used.value > 0.3
    assert ignored.value < 1e-6
    assert used.samples == 32


def test_certain_speaker_has_no_agency_to_measure() -> None:
    sure = Network()
    sure.readout = torch.zeros_like(sure.readout)
    sure.predictable = True  # type: ignore[attr-defined]
    sure.inputs = torch.ones_like(sure.inputs) * 3
    sure.readout[65] = 50.0
    reading = probed(sure)
    assert reading.value is None
    assert "nats" in str(reading.reason)


def test_brain_that_cannot_be_steered_reports_it() -> None:
    reading = probed(Unwatchable())
    assert reading.value is None
    assert "steered byte by byte" in str(reading.reason)
    assert reading.detail["world"] == 0.0


@pytest.mark.parametrize("acting", [True, False])
def test_restart_continues_bit_exactly(acting: bool) -> None:
    straight, stopped, resumed = (AgencySign(AgencyConfig(), seed=0) for _ in range(3))
    if acting:
        chooser(straight, num_steps=160, obeyed=True)
        chooser(stopped, num_steps=160, obeyed=True)
    else:
        probed(Network(), 5, sign=straight)
        probed(Network(), 5, sign=stopped)
    resumed.load_tensors({name: tensor.clone() for name, tensor in stopped.state_tensors().items()})
    readings = [
        chooser(sign, num_steps=16, obeyed=True, start=160)
        if acting
        else probed(Network(), 4, sign=sign, start=6)
        for sign in (stopped, resumed)
    ]
    assert readings[0].samples == readings[1].samples
    assert readings[0].value is not None
    assert readings[1].value == pytest.approx(readings[0].value, abs=0.02 if acting else 0.0)
