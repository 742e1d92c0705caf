"""Null controls on a real brain: what it learned shows, and is gone where it has been taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch

from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from brain.ports import Batch, Brain, BrainState, Choice, Moment, Reading
from brain.vitals.build_vitals import build_vitals
from brain.vitals.config import AgencyConfig, ConfidenceConfig, VitalsConfig
from brain.vitals.controls import (
    CONTROLS,
    OWN,
    Probed,
    Shuffled,
    alone,
    frozen,
    probe_with_controls,
    scramble,
    watch,
    watch_beside_shuffled,
)
from brain.vitals.signs.agency import AgencySign
from brain.vitals.twins import DISCONNECTED, UNTRAINED, draw_silent, twin_of
from tests.unit.brain.vitals.networks import Network, Unwatchable, batch_of, moment, random_rows, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from brain.ports import StepReport

ROWS, LENGTH, TICKS, STEPS = 20, 48, 8, 150
LANGUAGES, LETTERS = 4, 12
CPU = torch.device("cpu")
SETTINGS = {
    "hidden_size": 16,
    "layers": ["mingru", "attention"],
    "num_heads": 2,
    "window": 32,
    "mlp_ratio": 2,
    "bigram_size": 8,
    "self_model_size": 16,
    "precision": "fp32",
}


def fresh_brain(seed: int = 0) -> Brain:
    optimizer = OptimizerConfig(kind="adamw", learning_rate=2e-2, warmup_steps=10)
    return build_brain("synapse", SETTINGS, optimizer=optimizer, lanes=ROWS, device=CPU, seed=seed)


def languages() -> NDArray[np.int64]:
    """Which letter follows each, (LANGUAGES, LETTERS); all have the same letters, so only their order differs."""
    generator = np.random.default_rng(0)
    return np.stack([generator.permutation(LETTERS) for _ in range(LANGUAGES)])


def spoken(which: NDArray[np.int64], generator: np.random.Generator) -> Batch:
    """A row in each language of `which` (B,), each from a reset state; one letter in ten is any letter."""
    follows, rows = languages(), np.empty((len(which), LENGTH), np.int64)
    rows[:, 0] = generator.integers(LETTERS, size=len(which))
    for time in range(1, LENGTH):
        strays = generator.integers(LETTERS, size=len(which))
        keeps = generator.random(len(which)) < 0.9
        rows[:, time] = np.where(keeps, follows[which, rows[:, time - 1]], strays)
    return Batch(
        bytes=torch.from_numpy((rows + ord("a")).astype(np.uint8)),
        mask=torch.ones(len(which), LENGTH, dtype=torch.bool),
        lane=torch.arange(len(which)),
        reset=torch.ones(len(which), dtype=torch.bool),
        source=torch.zeros(len(which), dtype=torch.int64),
    )


def texts(count: int, *, seed: int) -> list[Batch]:
    """Rows of random languages."""
    generator = np.random.default_rng(seed)
    return [spoken(generator.integers(LANGUAGES, size=ROWS), generator) for _ in range(count)]


def untrained() -> Brain:
    """Random weights of the same architecture; none begins silent."""
    brain = fresh_brain()
    draw_silent(brain, seed=0)
    return brain


def acted(brain: Brain, *, shuffled: bool = False, learning: bool = False) -> Reading:
    """Agency of a brain that chooses the language its lanes read, always at random; or is shown other choices."""
    sign, generator = (
        AgencySign(AgencyConfig(choices_per_tick=ROWS, rows_after=2), seed=0),
        np.random.default_rng(7),
    )
    other = np.random.default_rng(8)
    for step in range(20):
        if step % 2 == 0:
            which = generator.integers(LANGUAGES, size=ROWS)
            shown = other.integers(LANGUAGES, size=ROWS) if shuffled else which
            choices = tuple(
                Choice(lane=lane, candidates=LANGUAGES, chosen=int(chosen), randomised=True)
                for lane, chosen in enumerate(shown)
            )
        batch = spoken(which, generator)
        seen = brain.learn(batch) if learning else report()
        now = Moment(
            step=step, brain=brain, batch=batch, report=seen, choices=choices if step % 2 == 0 else ()
        )
        sign.observe(now)
        if step % 2:
            reading = sign.measure(now)
    return reading


@pytest.fixture(scope="module")
def weights() -> Mapping[str, torch.Tensor]:
    """A brain that has read for a while."""
    torch.set_num_threads(1)
    brain = fresh_brain()
    for batch in texts(STEPS, seed=1):
        brain.learn(batch)
    return {name: tensor.clone() for name, tensor in brain.state().model.items()}


@pytest.fixture(scope="module")
def found(weights: Mapping[str, torch.Tensor]) -> dict[str, dict[str, Reading]]:
    """Every reading in every control."""
    return probe_with_controls(
        lambda trained: copy_of(weights) if trained else fresh_brain(),
        texts(TICKS, seed=2),
        VitalsConfig(),
        seed=0,
    ).readings


def copy_of(weights: Mapping[str, torch.Tensor]) -> Brain:
    brain = fresh_brain(seed=5)
    for name, tensor in brain.state().model.items():
        tensor.copy_(weights[name])
    return brain


def number(reading: Reading) -> float:
    """The value; a control that cannot be measured shows nothing, so it may not pass for zero."""
    assert reading.value is not None, reading.reason
    return reading.value


def test_every_vital_sign_is_measured_in_every_control(found: dict[str, dict[str, Reading]]) -> None:
    assert list(found) == [OWN, *CONTROLS]
    names = {"phi", "agency", "integration", "confidence", "self_prediction_error"}
    names |= {"dormant_share", "effective_rank", "reliance", "weight_norm"}
    for readings in found.values():
        assert set(readings) == names
        for reading in readings.values():
            assert reading.version
            assert reading.cost_ms > 0
            assert (reading.value is None) == (reading.reason is not None)
    memory = found[OWN].pop("reliance")
    assert (memory.value, "no exact memory" in str(memory.reason)) == (None, True)
    for reading in found[OWN].values():
        assert reading.value is not None, reading.reason
        assert reading.uncertainty is not None
        assert reading.samples > 0


def test_phi_falls_where_nothing_is_wired_or_learned(found: dict[str, dict[str, Reading]]) -> None:
    """Scrambled weights are left out: random wires carry something, too."""
    own = found[OWN]["phi"]
    assert own.uncertainty is not None
    for control in ("shuffled", "disconnected", "untrained"):
        assert number(found[control]["phi"]) < number(own) - own.uncertainty, control
    assert number(found["disconnected"]["phi"]) < 0.1
    assert number(found["shuffled"]["phi"]) < 0.1


def test_without_life_in_the_input_nothing_is_available(found: dict[str, dict[str, Reading]]) -> None:
    for reading in found["zero_input"].values():
        assert reading.value is None
        assert "the input is constant" in str(reading.reason)


def test_integration_needs_no_wires_but_shared_input(found: dict[str, dict[str, Reading]]) -> None:
    assert number(found["shuffled"]["integration"]) < 0.02
    assert number(found[OWN]["integration"]) > number(found["shuffled"]["integration"]) + 0.02


def test_confidence_is_a_guess_when_shuffled(found: dict[str, dict[str, Reading]]) -> None:
    assert number(found[OWN]["confidence"]) > 0.6
    assert number(found["shuffled"]["confidence"]) == pytest.approx(0.5, abs=0.05)


def test_the_self_model_foresees_only_its_own_next_state(found: dict[str, dict[str, Reading]]) -> None:
    assert number(found[OWN]["self_prediction_error"]) < 0.95
    for control in ("shuffled", "scrambled", "untrained"):
        assert number(found[control]["self_prediction_error"]) > 0.95, control


def test_own_words_make_little_difference_when_swapped_or_unlearned(
    found: dict[str, dict[str, Reading]],
) -> None:
    assert number(found[OWN]["agency"]) > 0.5
    assert number(found["shuffled"]["agency"]) < 0.05
    assert number(found["untrained"]["agency"]) < number(found[OWN]["agency"]) - 0.2


def test_a_brain_that_learned_can_tell_its_acts_where_others_cannot(
    weights: Mapping[str, torch.Tensor],
) -> None:
    """The world answers all of them alike; what differs is what the brain makes of it."""
    learned = acted(copy_of(weights))
    assert learned.uncertainty is not None
    assert number(learned) > 0.9
    for control in (untrained(), scrambled_copy(weights)):
        reading = acted(control)
        assert number(reading) < number(learned) - 0.2
        assert reading.detail["world"] == learned.detail["world"] > 0.9
    shuffled = acted(copy_of(weights), shuffled=True)
    assert number(shuffled) < 0.05
    assert shuffled.raw is not None
    assert shuffled.raw < 0.05


def test_a_brain_of_learning_rate_zero_tells_no_more_than_an_untrained_one() -> None:
    idle = acted(frozen(untrained()), learning=True)
    assert idle.value == acted(untrained()).value


def test_a_newborn_of_silent_modules_has_no_agency_to_show() -> None:
    reading = acted(fresh_brain())
    assert reading.value is None
    assert str(reading.reason) == "every unit is constant"
    assert reading.detail["world"] > 0.9


def scrambled_copy(weights: Mapping[str, torch.Tensor]) -> Brain:
    brain = copy_of(weights)
    scramble(brain, seed=0)
    return brain


def test_trained_above_untrained_above_disconnected(found: dict[str, dict[str, Reading]]) -> None:
    trained, unlearned, severed = (found[control]["phi"] for control in (OWN, "untrained", "disconnected"))
    assert number(trained) > number(unlearned)
    assert unlearned.raw is not None
    assert severed.raw is not None
    assert unlearned.raw >= severed.raw - 0.02
    assert number(severed) < 0.1


def test_a_twin_is_made_without_a_trace(weights: Mapping[str, torch.Tensor]) -> None:
    brain, before = copy_of(weights), torch.random.get_rng_state()
    severed, unlearned = twin_of(brain, DISCONNECTED, seed=0), twin_of(brain, UNTRAINED, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in brain.state().model.items())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in severed.state().model.items())
    assert any(not torch.equal(tensor, weights[name]) for name, tensor in unlearned.state().model.items())


def test_a_frozen_brain_reports_and_does_not_move(weights: Mapping[str, torch.Tensor]) -> None:
    brain = frozen(copy_of(weights))
    report = brain.learn(texts(1, seed=3)[0])
    assert report.applied
    assert report.evidence
    assert all(torch.equal(tensor, weights[name]) for name, tensor in brain.state().model.items())


def test_scrambling_keeps_the_numbers_and_loses_their_places(weights: Mapping[str, torch.Tensor]) -> None:
    brain = copy_of(weights)
    scramble(brain, seed=0)
    for name, tensor in brain.state().model.items():
        torch.testing.assert_close(tensor.flatten().sort().values, weights[name].flatten().sort().values)
    assert any(not torch.equal(tensor, weights[name]) for name, tensor in brain.state().model.items())


def test_a_shuffled_module_still_answers_its_own_nudge() -> None:
    network = Network()
    shuffled = Shuffled(network, seed=0)
    rows = random_rows(1)
    clean = shuffled.observe(rows)
    push = torch.zeros(len(rows), rows.shape[1], 6)
    push[7, 10] = 1.0
    moved = shuffled.observe(rows, inject={"m3": push})
    torch.testing.assert_close(moved["m3"][7, 10], clean["m3"][7, 10] + 1.0)
    assert torch.equal(moved["m3"][:7], clean["m3"][:7])
    assert torch.equal(moved["m5"][7], clean["m5"][7])  # what it does to others shows in other rows
    assert not torch.equal(moved["m5"], clean["m5"])


def test_a_shuffled_brain_can_do_no_more_than_the_brain() -> None:
    blind = Shuffled(Unwatchable(), seed=0)
    now = moment(blind, 1)
    readings = {sign.name: sign.measure(now) for sign in build_vitals(alone(VitalsConfig()), seed=0)}
    assert "no modules" in str(readings["phi"].reason)
    assert "steered" in str(readings["agency"].reason)
    whole = moment(Shuffled(Network(), seed=0), 1)
    readings = {sign.name: sign.measure(whole) for sign in build_vitals(alone(VitalsConfig()), seed=0)}
    assert readings["integration"].value is not None


def test_a_brain_that_cannot_be_severed_reports_it() -> None:
    class Whole:
        """Looks and learns as a Network would, and cannot be cut."""

        def __init__(self) -> None:
            self._network = Network()
            self.module_names, self.observe = self._network.module_names, self._network.observe
            self.num_neurons = self._network.num_neurons

        def learn(self, _: Batch) -> StepReport:
            return report()

        def scale_learning_rate(self, _: float) -> None:
            return

        def state(self) -> BrainState:
            weights = {"weights": self._network.weights}
            return BrainState(model=weights, learning={}, counters={}, spec={"kind": "whole"})

    batches = [batch_of(random_rows(step)) for step in range(4)]
    found = probe_with_controls(lambda _: cast("Brain", Whole()), batches, VitalsConfig(), seed=0).readings
    assert {reading.reason for reading in found["disconnected"].values()} == {"this brain cannot be severed"}
    assert found["scrambled"]["integration"].value is not None


def test_the_shuffled_control_does_not_disturb_what_it_stands_beside(
    weights: Mapping[str, torch.Tensor],
) -> None:
    batches, config = texts(3, seed=4), VitalsConfig()
    beside, _, _ = watch_beside_shuffled(frozen(copy_of(weights)), batches, config, seed=0)
    alone = watch(frozen(copy_of(weights)), batches, config, seed=0)
    assert {name: reading.value for name, reading in beside.items()} == {
        name: reading.value for name, reading in alone.items()
    }


def test_as_much_is_read_as_the_signs_need(weights: Mapping[str, torch.Tensor]) -> None:
    warm_up = 5 * ROWS * (LENGTH - 1)  # predictions of a little more than five batches
    config = VitalsConfig(
        confidence=ConfidenceConfig(warm_up_predictions=warm_up, window_predictions=2 * warm_up)
    )

    def probed(least: int) -> Probed:
        return probe_with_controls(lambda _: copy_of(weights), texts(8, seed=2), config, seed=0, ticks=least)

    found = probed(2)
    assert 2 < found.ticks < 8
    assert found.readings[OWN]["confidence"].value is not None
    assert {
        reading["confidence"].samples for name, reading in found.readings.items() if name != "zero_input"
    } == {found.readings[OWN]["confidence"].samples}
    assert probed(7).ticks == 7


def test_nothing_is_expected_of_what_has_no_value() -> None:
    def found(own: float | None, shuffled: float | None) -> dict[str, str]:
        readings = {
            control: {name: Reading(name=name, value=value) for name in ("confidence", "weight_norm")}
            for control, value in ((OWN, own), ("shuffled", shuffled))
        }
        return Probed(readings=readings, ticks=1).expected()

    assert found(0.7, 0.5).keys() == {"confidence", "weight_norm"}
    assert found(0.7, None).keys() == {"weight_norm"}
    assert found(None, None) == {}
