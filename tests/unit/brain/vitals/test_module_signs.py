"""Φ and integration of live networks: what they must show, and where they must show nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from brain.vitals.config import IntegrationConfig, PhiConfig, ProbeConfig
from brain.vitals.module_watch import ModuleWatch
from brain.vitals.signs.integration import IntegrationSign
from brain.vitals.signs.phi import PhiSign
from tests.unit.brain.vitals.networks import Network, Unwatchable, moment

if TYPE_CHECKING:
    from brain.ports import Reading


def phi_sign(*, nudge: float = 0.3, seed: int = 1, **probe: Any) -> PhiSign:
    return PhiSign(PhiConfig(nudge=nudge), watch=ModuleWatch(ProbeConfig(**probe), seed=seed), seed=seed)


def integration_sign(**probe: Any) -> IntegrationSign:
    return IntegrationSign(IntegrationConfig(), watch=ModuleWatch(ProbeConfig(**probe), seed=1), seed=1)


def after_ticks(sign: PhiSign | IntegrationSign, brain: Network, ticks: int, *, start: int = 1) -> Reading:
    for step in range(start, start + ticks):
        reading = sign.measure(moment(brain, step))
    return reading


def shown(reading: Reading) -> float:
    assert reading.value is not None, reading.reason
    return reading.value


def test_reading_carries_all_it_must() -> None:
    reading = after_ticks(phi_sign(), Network(), 8)
    assert 0.2 < shown(reading) <= 1.0
    assert reading.raw is not None
    assert reading.uncertainty is not None
    assert 0 < reading.uncertainty < 0.1
    assert reading.samples > 4_000
    assert reading.version == "1 M=8 k=4 alpha=0.3"
    assert reading.cost_ms > 0
    assert {"nats", "bias", "tdmi", "tick", "coverage"} <= set(reading.detail)
    assert reading.detail["tick"] == pytest.approx(shown(reading), abs=0.15)


def test_disconnected_network_has_no_phi() -> None:
    assert shown(after_ticks(phi_sign(), Network(across=0.0), 8)) < 0.1


def test_phi_rises_with_cross_weights() -> None:
    values = [
        shown(after_ticks(phi_sign(), Network(across=across), 8)) for across in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.2


def test_phi_does_not_depend_on_the_strength_of_the_nudge() -> None:
    weak, strong = (shown(after_ticks(phi_sign(nudge=nudge), Network(), 8)) for nudge in (0.05, 0.3))
    assert weak == pytest.approx(strong, abs=0.08)


def test_disconnected_modules_under_common_input_still_share() -> None:
    """Why integration is read beside Φ, never alone."""
    common = Network(across=0.0)
    common.inputs = common.inputs[:, :1] + 0.2 * common.inputs
    assert shown(after_ticks(integration_sign(), common, 7)) > 0.2
    assert shown(after_ticks(phi_sign(), common, 8)) < 0.1


@pytest.mark.parametrize("sign", [phi_sign(), integration_sign()], ids=["phi", "integration"])
class TestNotAvailable:
    """Never a healthy number where there is nothing to measure."""

    def test_zero_input(self, sign: PhiSign | IntegrationSign) -> None:
        reading = sign.measure(moment(Network(), 1, rows=torch.zeros(20, 64, dtype=torch.uint8)))
        assert reading.value is None
        assert "constant" in str(reading.reason)

    def test_constant_state(self, sign: PhiSign | IntegrationSign) -> None:
        reading = sign.measure(moment(Network(constant=True), 2))
        assert reading.value is None
        assert reading.detail["collapsed"] == 1.0

    def test_not_finite_state(self, sign: PhiSign | IntegrationSign) -> None:
        broken = Network()
        broken.poison = 2
        reading = sign.measure(moment(broken, 3))
        assert reading.value is None
        assert reading.detail["dropped_share"] == pytest.approx(2 / 16)

    def test_brain_without_modules(self, sign: PhiSign | IntegrationSign) -> None:
        reading = sign.measure(moment(Unwatchable(), 4))
        assert reading.value is None

    def test_no_whole_row(self, sign: PhiSign | IntegrationSign) -> None:
        short = torch.randint(0, 256, (20, 6), dtype=torch.uint8)
        assert sign.measure(moment(Network(), 5, rows=short)).value is None


def test_dead_module_is_dropped_and_coverage_reported() -> None:
    reading = after_ticks(phi_sign(), Network(dead=1), 8)
    assert shown(reading) > 0.1
    assert reading.detail["coverage"] == pytest.approx(7 / 8)
    assert reading.detail["modules"] == 7


def test_insufficient_samples_are_named() -> None:
    reading = phi_sign(rows=2).measure(moment(Network(), 1))
    assert reading.value is None
    assert "insufficient samples" in str(reading.reason)


def test_twin_modules_are_capped() -> None:
    twins = Network()
    width = 6
    twins.weights = torch.cat([twins.weights[:width]] * 8)
    twins.inputs = torch.cat([twins.inputs[:, :width]] * 8, dim=1)
    reading = after_ticks(integration_sign(), twins, 7)
    assert shown(reading) <= 0.9999
    assert shown(reading) > 0.95


def test_old_accumulators_serve_until_the_new_hold_enough() -> None:
    sign, brain = phi_sign(refresh_every_seconds=100.0), Network()
    counts = [
        sign.measure(moment(brain, step, training_seconds=10.0 * step)).samples for step in range(1, 20)
    ]
    assert sign.watch.generation == 2
    assert min(counts[9:]) >= 4_000
    brain.neurons += 10  # it grew: coordinates are found again at once
    assert sign.measure(moment(brain, 30, training_seconds=190.0)).samples >= 4_000
    assert sign.watch.generation == 3


def trade_places(brain: Network) -> None:
    """Every unit takes over the part of another; the network as a whole stays what it was."""
    brain.inputs, brain.weights = brain.inputs.flip(1), brain.weights.flip(0, 1)


def test_coordinates_follow_a_brain_that_leaves_them() -> None:
    brain = Network()
    sign = phi_sign(components=1, refresh_below=0.8)
    sign.measure(moment(brain, 1))
    kept = sign.measure(moment(brain, 2)).detail["kept_variance"]
    assert sign.watch.generation == 1
    trade_places(brain)
    reading = sign.measure(moment(brain, 3))
    assert sign.watch.generation == 2, "what they were found for is gone"
    assert reading.detail["kept_variance"] > 0.8 * kept
    steady = phi_sign(components=1, refresh_below=0.0)
    brain = Network()
    steady.measure(moment(brain, 1))
    trade_places(brain)
    assert steady.measure(moment(brain, 3)).detail["kept_variance"] < 0.8 * kept
    assert steady.watch.generation == 1


def test_the_version_tells_the_modules_that_are_there() -> None:
    reading = after_ticks(phi_sign(modules=4, components=2), Network(), 2)
    assert reading.version == "1 M=4 k=2 alpha=0.3"


def test_a_tick_is_read_once_for_both() -> None:
    watch, brain = ModuleWatch(ProbeConfig(), seed=0), Network()
    phi = PhiSign(PhiConfig(), watch=watch, seed=0)
    integration = IntegrationSign(IntegrationConfig(), watch=watch, seed=0)
    now = moment(brain, 1)
    phi.measure(now)
    integration.measure(now)
    assert brain.passes == 2  # clean and nudged


@pytest.mark.parametrize("make", [phi_sign, integration_sign])
def test_restart_continues_bit_exactly(make: Any) -> None:
    straight, stopped, resumed = make(), make(), make()
    brain = Network()
    after_ticks(straight, brain, 6)
    after_ticks(stopped, brain, 3)
    resumed.load_tensors({name: tensor.clone() for name, tensor in stopped.state_tensors().items()})
    continued = after_ticks(resumed, brain, 3, start=4)
    expected = after_ticks(make(), brain, 6)
    assert (continued.value, continued.raw, continued.samples) == (
        expected.value,
        expected.raw,
        expected.samples,
    )


def test_measuring_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    before = torch.get_rng_state().clone(), str(np.random.get_state())
    after_ticks(phi_sign(), Network(), 2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]
