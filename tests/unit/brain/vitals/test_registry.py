"""Names and labels of the vital signs need no torch; building gives one of each."""

from __future__ import annotations

import subprocess
import sys

from brain.vitals.build import build_vitals
from brain.vitals.config import VitalsConfig
from brain.vitals.registry import describe_vitals, vitals

NAMES = ["agency", "confidence", "integration", "phi", "self_prediction_error"]


def test_every_name_is_built_with_docstring_and_version() -> None:
    signs = build_vitals(VitalsConfig(), seed=0)
    assert [sign.name for sign in signs] == vitals.names() == NAMES
    assert all(sign.version and type(sign).__doc__ for sign in signs)


def test_description_names_the_convention_and_takes_bands_of_the_run() -> None:
    described = {one["name"]: one for one in describe_vitals(VitalsConfig(bands={"phi": (0.1, 0.2)}))}
    assert described["phi"]["band"] == [0.1, 0.2]
    assert described["agency"]["band"] == [0.6, 0.9]
    assert {one["band_is"] for one in described.values()} == {"project convention"}


def test_registry_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from brain.vitals.registry import describe_vitals; describe_vitals(); "
        "import brain.vitals.config; sys.exit(bool({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
