"""Confidence and self-prediction error over the evidence of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from brain.vitals.config import ConfidenceConfig, SelfPredictionErrorConfig
from brain.vitals.live_sign import UNSUPPORTED
from brain.vitals.signs.confidence import ConfidenceSign
from brain.vitals.signs.self_prediction_error import SelfPredictionErrorSign
from brain.vitals.window import Window
from tests.unit.brain.vitals.networks import Network, moment, report

if TYPE_CHECKING:
    from brain.ports import Reading


def measured(sign: ConfidenceSign | SelfPredictionErrorSign, steps: list[dict[str, Tensor]]) -> Reading:
    for step, evidence in enumerate(steps, start=1):
        now = moment(Network(), step, report=report(**evidence))
        sign.observe(now)
    return sign.measure(now)


def predictions(*, sharpness: float, count: int = 1_000, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sure = torch.rand(count, generator=generator)
    chance = 0.5 + sharpness * (sure - 0.5)
    return {"confidence": sure, "correct": torch.rand(count, generator=generator) < chance}


def states(*, foresight: float, seed: int = 0, width: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    walk = torch.zeros(257, width)
    for step in range(256):
        walk[step + 1] = 0.9 * walk[step] + torch.randn(width, generator=generator)
    return {"state": walk[:-1], "next_state": walk[1:], "predicted_state": foresight * walk[1:]}


def test_confidence_of_a_brain_that_knows() -> None:
    reading = measured(
        ConfidenceSign(ConfidenceConfig()), [predictions(sharpness=1.0, seed=s) for s in range(6)]
    )
    # Theory for confidence uniform on [0, 1] and calibrated.
    assert reading.value == pytest.approx(5 / 6, abs=0.03)
    assert reading.samples == 4_096
    assert reading.detail["calibrated"] == 1.0


def test_confidence_of_a_brain_that_guesses() -> None:
    reading = measured(
        ConfidenceSign(ConfidenceConfig()), [predictions(sharpness=0.0, seed=s) for s in range(6)]
    )
    assert reading.value == pytest.approx(0.5, abs=0.03)
    assert reading.detail["calibrated"] == 0.0


@pytest.mark.parametrize(("right", "word"), [(True, "right"), (False, "wrong")])
def test_all_right_or_wrong_is_not_available(right: bool, word: str) -> None:
    evidence = {"confidence": torch.rand(1_000), "correct": torch.full((1_000,), right)}
    reading = measured(ConfidenceSign(ConfidenceConfig()), [evidence])
    assert reading.value is None
    assert word in str(reading.reason)


def test_confidence_warms_up_and_reports_when_there_is_none() -> None:
    sign = ConfidenceSign(ConfidenceConfig())
    assert "no prediction with a confidence" in str(measured(sign, [{}]).reason)
    assert "warming up, 100 of 512" in str(measured(sign, [predictions(sharpness=1.0, count=100)]).reason)


def test_confidence_that_is_not_a_number_is_named() -> None:
    evidence = predictions(sharpness=1.0)
    evidence["confidence"][:50] = torch.nan
    reading = measured(ConfidenceSign(ConfidenceConfig()), [evidence])
    assert reading.value is None
    assert reading.detail["dropped_share"] == pytest.approx(0.05)


@pytest.mark.parametrize("foresight", [1.0, 0.8, 0.0])
def test_self_prediction_error(foresight: float) -> None:
    sign = SelfPredictionErrorSign(SelfPredictionErrorConfig())
    reading = measured(sign, [states(foresight=foresight, seed=s) for s in range(10)])
    assert reading.raw == pytest.approx((1 - foresight) ** 2, abs=0.02)
    assert reading.detail["persistence"] == pytest.approx(0.2, abs=0.05)
    assert reading.detail["linear"] == pytest.approx(0.19, abs=0.05)


def test_frozen_random_network_does_not_foresee_itself() -> None:
    """A self model of random weights over a random network: the error is large, never 0."""
    network, generator = Network(), torch.Generator().manual_seed(3)
    sign = SelfPredictionErrorSign(SelfPredictionErrorConfig())
    guess = torch.randn(48, 48, generator=generator) * 0.1
    for step in range(1, 6):
        now = moment(network, step)
        activity = torch.cat(list(network.observe(now.batch.bytes).values()), dim=2)
        before, after = activity[:, :-1].reshape(-1, 48), activity[:, 1:].reshape(-1, 48)
        now = moment(
            network, step, report=report(state=before, next_state=after, predicted_state=before @ guess)
        )
        sign.observe(now)
    reading = sign.measure(now)
    assert reading.value is not None
    assert reading.value > 0.5


@pytest.mark.parametrize("defect", ["constant", "nan", "few", "none"])
def test_self_prediction_not_available(defect: str) -> None:
    evidence = states(foresight=1.0)
    if defect == "constant":
        evidence = {name: torch.ones_like(value) for name, value in evidence.items()}
    if defect == "nan":
        evidence["next_state"][:20] = torch.nan
    lives: dict[str, list[dict[str, Tensor]]] = {"few": [evidence], "none": [{}]}
    steps = lives.get(defect, [evidence] * 4)
    reading = measured(SelfPredictionErrorSign(SelfPredictionErrorConfig()), steps)
    assert reading.value is None
    expected = {"constant": "constant", "nan": "not finite", "few": "insufficient", "none": "no self model"}
    assert expected[defect] in str(reading.reason)
    assert (UNSUPPORTED in reading.detail) == (defect == "none")


def test_constant_units_lower_the_coverage() -> None:
    evidence = states(foresight=0.5)
    for value in evidence.values():
        value[:, :2] = 1.0
    reading = measured(SelfPredictionErrorSign(SelfPredictionErrorConfig()), [evidence] * 4)
    assert reading.detail["coverage"] == pytest.approx(0.75)


@pytest.mark.parametrize("kind", ["confidence", "self"])
def test_windows_survive_a_restart(kind: str) -> None:
    sign: ConfidenceSign | SelfPredictionErrorSign
    twin: ConfidenceSign | SelfPredictionErrorSign
    if kind == "confidence":
        sign, twin = ConfidenceSign(ConfidenceConfig()), ConfidenceSign(ConfidenceConfig())
        steps = [predictions(sharpness=1.0, seed=s) for s in range(3)]
    else:
        sign = SelfPredictionErrorSign(SelfPredictionErrorConfig())
        twin = SelfPredictionErrorSign(SelfPredictionErrorConfig())
        steps = [states(foresight=0.7, seed=s) for s in range(3)]
    first = measured(sign, steps)
    twin.load_tensors({name: tensor.clone() for name, tensor in sign.state_tensors().items()})
    second = twin.measure(moment(Network(), 9))
    assert (first.value, first.raw, first.samples) == (second.value, second.raw, second.samples)


def test_window_keeps_the_newest_and_starts_over_when_the_brain_grew() -> None:
    window = Window(5, ("x",))
    for start in range(0, 9, 3):
        window.add(torch.arange(start, start + 3).float()[:, None])
    assert window.arrays()[0].ravel().tolist() == [4, 5, 6, 7, 8]
    window.add(torch.zeros(2, 2))
    assert window.arrays()[0].shape == (2, 2)
