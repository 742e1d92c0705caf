"""Names and labels of the vital signs need no torch; building gives one of each."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import torch

from brain.vitals import signs
from brain.vitals.build_vitals import build_vitals
from brain.vitals.config import VitalsConfig
from brain.vitals.sign_registry import describe_vitals, vitals
from tests.unit.brain.vitals.networks import Network, moment, report

NAMES = [
    "agency", "confidence", "dormant_share", "effective_rank", "integration", "phi", "reliance",
    "self_prediction_error", "weight_norm",
]  # fmt: skip


def test_every_name_is_built_with_docstring_and_version() -> None:
    built = build_vitals(VitalsConfig(), seed=0)
    assert [sign.name for sign in built] == vitals.names() == NAMES
    assert all(sign.version and type(sign).__doc__ for sign in built)


def test_a_sign_is_one_file_of_its_name() -> None:
    files = {module.name for module in pkgutil.iter_modules(signs.__path__)}
    assert files == set(NAMES)
    assert all(entry.builds.startswith(f"brain.vitals.signs.{entry.name}:") for entry in vitals)


def test_description_names_the_convention_and_takes_bands_of_the_run() -> None:
    described = {one["name"]: one for one in describe_vitals(VitalsConfig(bands={"phi": (0.1, 0.2)}))}
    assert described["phi"]["band"] == [0.1, 0.2]
    assert described["agency"]["band"] == [0.6, 0.9]
    assert {one["band_is"] for one in described.values()} == {"project convention"}
    assert {one["measured"] for one in described.values()} == {True}
    assert {one["measured"] for one in describe_vitals(VitalsConfig(enabled=False))} == {False}


def test_registry_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from brain.vitals.sign_registry import describe_vitals; describe_vitals(); "
        "import brain.vitals.config; sys.exit(bool({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_constant_input_is_never_measured_whatever_a_window_still_holds() -> None:
    """All zeros after a healthy past: not one value, and never a healthy one."""
    generator = torch.Generator().manual_seed(0)
    network, built = Network(), build_vitals(VitalsConfig(), seed=0)
    for step in range(1, 5):
        state = torch.randn(600, 6, generator=generator)
        evidence = {
            "confidence": torch.rand(600, generator=generator),
            "correct": torch.rand(600, generator=generator) < 0.5,
            "state": state,
            "next_state": 0.5 * state,
            "predicted_state": 0.4 * state,
        }
        alive = moment(network, step, report=report(**evidence))
        for sign in built:
            sign.observe(alive)
    before = {sign.name: sign.measure(alive) for sign in built}
    silent = moment(network, 5, rows=torch.zeros(20, 64, dtype=torch.uint8))
    after = {sign.name: sign.measure(silent) for sign in built}
    assert before["confidence"].value is not None
    assert before["self_prediction_error"].value is not None
    assert {reading.value for reading in after.values()} == {None}
    assert {str(reading.reason).split(":")[0] for reading in after.values()} == {"the input is constant"}
