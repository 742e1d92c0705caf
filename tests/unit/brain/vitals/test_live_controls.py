"""Controls of a live sign: whose turn it is, what is kept, and what a brain is compared with while it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from brain.ports import Reading
from brain.vitals.config import PhiConfig, ProbeConfig
from brain.vitals.live_controls import LiveControls
from brain.vitals.module_watch import ModuleWatch
from brain.vitals.signs.phi import PhiSign
from brain.vitals.twins import DISCONNECTED, UNTRAINED, draw_silent
from tests.unit.brain.vitals.networks import Network, moment

if TYPE_CHECKING:
    from brain.ports import Brain, Moment


def test_each_has_a_turn_at_the_beginning_and_then_one_in_so_many_ticks() -> None:
    controls = LiveControls(("a", "b"), every_ticks=4)
    turns = [controls.due() for _ in range(13)]
    assert turns == ["a", "b", None, None, "b", None, None, None, "a", None, None, None, "b"]
    never = LiveControls(("a",), every_ticks=0)
    assert [never.due() for _ in range(3)] == [None] * 3


def test_what_is_not_available_has_a_step_and_no_value_also_after_a_restart() -> None:
    controls, resumed = (LiveControls(("a", "b"), every_ticks=1) for _ in range(2))
    controls.note("a", 0.25, 0.01, step=7)
    controls.note("b", None, None, step=9)
    resumed.load(controls.tensors())
    for one in (controls, resumed):
        assert one.detail() == {
            "control.a": 0.25,
            "control.a.error": 0.01,
            "control.a.step": 7.0,
            "control.b.step": 9.0,
        }


def watched(brain: Brain | Network, ticks: int) -> dict[str, float]:
    sign = PhiSign(PhiConfig(control_every_ticks=1), watch=ModuleWatch(ProbeConfig(), seed=1), seed=0)
    for step in range(1, ticks + 1):
        now = moment(brain, step)
        reading = sign.measure(now)
    assert reading.value is not None, reading.reason
    return dict(reading.detail)


def test_phi_stands_beside_its_own_controls() -> None:
    settings = {"hidden_size": 16, "layers": ["mingru"], "num_heads": 2, "mlp_ratio": 2, "bigram_size": 0}
    brain = build_brain(
        "synapse", settings, optimizer=OptimizerConfig(), lanes=1, device=torch.device("cpu"), seed=3
    )
    draw_silent(brain, seed=3)
    detail = watched(brain, 2)
    assert detail["control.disconnected"] < 0.1
    assert detail["control.disconnected.step"] == 1.0
    assert detail["control.untrained.error"] > 0.0
    assert detail["control.untrained.step"] == 2.0


class Unsure:
    """A sign whose small value counts as 0, its samples being few."""

    def measure(self, _: Moment) -> Reading:
        return Reading(name="phi", value=0.0, raw=0.05, uncertainty=0.1)


def test_a_control_is_not_cut_to_nothing_while_its_samples_are_few() -> None:
    settings = {"hidden_size": 16, "layers": ["mingru"], "num_heads": 2, "mlp_ratio": 2, "bigram_size": 0}
    brain = build_brain(
        "synapse", settings, optimizer=OptimizerConfig(), lanes=1, device=torch.device("cpu"), seed=3
    )
    draw_silent(brain, seed=3)
    sign = PhiSign(PhiConfig(control_every_ticks=1), watch=ModuleWatch(ProbeConfig(), seed=1), seed=0)
    vars(sign)["_of_control"] = dict.fromkeys((DISCONNECTED, UNTRAINED), Unsure())
    detail = [sign.measure(moment(brain, step)).detail for step in (1, 2)][-1]
    assert (detail["control.untrained"], detail["control.untrained.error"]) == (0.05, 0.1)


def test_a_brain_without_a_twin_is_measured_all_the_same() -> None:
    detail = watched(Network(), 2)  # its state cannot be had
    assert detail["control.untrained.step"] == 2.0
    assert not {"control.untrained", "control.disconnected"} & detail.keys()


def test_controls_leave_the_reading_as_it_is() -> None:
    readings = []
    for every in (0, 1):
        sign = PhiSign(PhiConfig(control_every_ticks=every), watch=ModuleWatch(ProbeConfig(), seed=1), seed=0)
        readings.append([sign.measure(moment(Network(), step)).raw for step in range(1, 4)])
    assert readings[0] == pytest.approx(readings[1], abs=0.0)
