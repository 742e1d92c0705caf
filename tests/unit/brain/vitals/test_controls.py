"""Null controls on a real brain: what it learned shows, and is gone where it has been taken away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import torch

from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from brain.ports import Batch, Brain, BrainState, Severable
from brain.vitals.build import build_vitals
from brain.vitals.config import VitalsConfig
from brain.vitals.controls import (
    CONTROLS,
    OWN,
    Shuffled,
    frozen,
    probe_with_controls,
    scramble,
    watch,
    watch_beside_shuffled,
)
from tests.unit.brain.vitals.networks import Network, Unwatchable, batch_of, moment, random_rows, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Reading, StepReport

ROWS, LENGTH, TICKS, STEPS = 20, 48, 12, 600
CPU = torch.device("cpu")
SETTINGS = {
    "hidden_size": 32,
    "layers": ["mingru", "attention"],
    "num_heads": 2,
    "window": 32,
    "mlp_ratio": 2,
    "bigram_size": 8,
    "self_model_size": 16,
    "precision": "fp32",
}


def newborn(seed: int = 0) -> Brain:
    optimizer = OptimizerConfig(kind="adamw", learning_rate=1e-2, warmup_steps=10)
    return build_brain("synapse", SETTINGS, optimizer=optimizer, lanes=ROWS, device=CPU, seed=seed)


def texts(count: int, *, seed: int) -> list[Batch]:
    """Pieces of this project's own sources, each from a reset state."""
    source = Path(__file__).parents[4] / "brain" / "vitals"
    text = torch.frombuffer(
        bytearray(b"".join(file.read_bytes() for file in sorted(source.glob("*.py")))), dtype=torch.uint8
    )
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        starts = torch.randint(len(text) - LENGTH, (ROWS,), generator=generator)
        rows = text[starts[:, None] + torch.arange(LENGTH)]
        made.append(
            Batch(
                bytes=rows,
                mask=torch.ones_like(rows, dtype=torch.bool),
                lane=torch.arange(ROWS),
                reset=torch.ones(ROWS, dtype=torch.bool),
                source=torch.zeros(ROWS, dtype=torch.int64),
            )
        )
    return made


@pytest.fixture(scope="module")
def weights() -> Mapping[str, torch.Tensor]:
    """A brain that has read for a while."""
    torch.set_num_threads(1)
    brain = newborn()
    for batch in texts(STEPS, seed=1):
        brain.learn(batch)
    return {name: tensor.clone() for name, tensor in brain.state().model.items()}


@pytest.fixture(scope="module")
def found(weights: Mapping[str, torch.Tensor]) -> dict[str, dict[str, Reading]]:
    """Every reading in every control."""
    return probe_with_controls(
        lambda trained: copy_of(weights) if trained else newborn(),
        texts(TICKS, seed=2),
        VitalsConfig(),
        seed=0,
    )


def copy_of(weights: Mapping[str, torch.Tensor]) -> Brain:
    brain = newborn(seed=5)
    for name, tensor in brain.state().model.items():
        tensor.copy_(weights[name])
    return brain


def number(reading: Reading) -> float:
    """The value; what is not available counts as nothing found."""
    return 0.0 if reading.value is None else reading.value


def test_every_vital_sign_is_measured_in_every_control(found: dict[str, dict[str, Reading]]) -> None:
    assert list(found) == [OWN, *CONTROLS]
    names = {"phi", "agency", "integration", "confidence", "self_prediction_error"}
    names |= {"dormant_share", "effective_rank", "weight_norm"}
    for readings in found.values():
        assert set(readings) == names
        for reading in readings.values():
            assert reading.version
            assert reading.cost_ms > 0
            assert (reading.value is None) == (reading.reason is not None)
    for reading in found[OWN].values():
        assert reading.value is not None, reading.reason
        assert reading.uncertainty is not None
        assert reading.samples > 0


def test_phi_falls_where_nothing_is_wired_or_learned(found: dict[str, dict[str, Reading]]) -> None:
    """Scrambled weights are left out: random wires carry something, too."""
    own = found[OWN]["phi"]
    assert own.value is not None
    assert own.uncertainty is not None
    for control in ("shuffled", "disconnected", "zero_input", "untrained"):
        assert number(found[control]["phi"]) < own.value - own.uncertainty, control
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
    assert number(found[OWN]["confidence"]) > 0.65
    assert number(found["shuffled"]["confidence"]) == pytest.approx(0.5, abs=0.05)


def test_the_self_model_foresees_only_its_own_next_state(found: dict[str, dict[str, Reading]]) -> None:
    assert number(found[OWN]["self_prediction_error"]) < 0.95
    for control in ("shuffled", "scrambled", "untrained"):
        assert number(found[control]["self_prediction_error"]) > 0.95, control


def test_own_words_make_no_difference_when_misheard_or_unlearned(
    found: dict[str, dict[str, Reading]],
) -> None:
    assert number(found[OWN]["agency"]) > 0.1
    assert number(found["shuffled"]["agency"]) < 0.05
    assert number(found["untrained"]["agency"]) < 0.05


def test_trained_above_untrained_above_disconnected(weights: Mapping[str, torch.Tensor]) -> None:
    """The newborn's branches begin silent, so it is given random ones: then it has modules to look at."""
    batches, config = texts(TICKS, seed=2), VitalsConfig()
    untrained = newborn()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in untrained.state().model.items():
            if name.startswith("blocks.") and not tensor.any():
                tensor.normal_(0.0, tensor.shape[1] ** -0.5, generator=generator)
    severed = copy_of(weights)
    assert isinstance(severed, Severable)
    severed.sever()
    trained_phi, untrained_phi, severed_phi = (
        watch(frozen(brain), batches, config, seed=0)["phi"]
        for brain in (copy_of(weights), untrained, severed)
    )
    assert untrained_phi.value is not None
    assert severed_phi.value is not None
    assert number(trained_phi) > untrained_phi.value
    assert untrained_phi.raw is not None
    assert severed_phi.raw is not None
    assert untrained_phi.raw >= severed_phi.raw - 0.02
    assert severed_phi.value < 0.1


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
    readings = {sign.name: sign.measure(now) for sign in build_vitals(VitalsConfig(), seed=0)}
    assert "no modules" in str(readings["phi"].reason)
    assert "steered" in str(readings["agency"].reason)
    whole = moment(Shuffled(Network(), seed=0), 1)
    readings = {sign.name: sign.measure(whole) for sign in build_vitals(VitalsConfig(), seed=0)}
    assert readings["integration"].value is not None


def test_a_brain_that_cannot_be_severed_says_so() -> None:
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
            return BrainState(model=weights, learning={}, counters={}, spec={})

    batches = [batch_of(random_rows(step)) for step in range(4)]
    found = probe_with_controls(lambda _: cast("Brain", Whole()), batches, VitalsConfig(), seed=0)
    assert {reading.reason for reading in found["disconnected"].values()} == {"this brain cannot be severed"}
    assert found["scrambled"]["integration"].value is not None


def test_the_shuffled_control_does_not_disturb_what_it_stands_beside(
    weights: Mapping[str, torch.Tensor],
) -> None:
    batches, config = texts(3, seed=4), VitalsConfig()
    beside, _ = watch_beside_shuffled(frozen(copy_of(weights)), batches, config, seed=0)
    alone = watch(frozen(copy_of(weights)), batches, config, seed=0)
    assert {name: reading.value for name, reading in beside.items()} == {
        name: reading.value for name, reading in alone.items()
    }
