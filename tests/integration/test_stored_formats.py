"""Checkpoints of every format that was ever published resume, and continue as they would have then."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from daemon.checkpoint.snapshot import current_environment
from tests.fixtures.make_format import FURTHER_STEPS, HERE, STEPS, learn, weights_hash

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

# What `expected.json` of format 1 holds differs from what was written with it: since then the self model is clipped by
# a norm of its own, so that a brain whose gradients are clipped continues with slightly other numbers.
FORMATS = sorted(path for path in HERE.iterdir() if path.name.startswith("format_"))


@pytest.mark.parametrize("stored", FORMATS, ids=lambda path: path.name)
def test_it_continues_from_where_it_was(home: Home, stored: Path) -> None:
    shutil.copytree(stored / "checkpoints", home.checkpoints, dirs_exist_ok=True)
    shutil.copytree(stored / "replay", home.replay, dirs_exist_ok=True)
    end, bpc = learn(home, FURTHER_STEPS, session=2, checkpoint=home.checkpoints / "continuous_1")
    expected = json.loads((stored / "expected.json").read_text())
    assert json.loads((end / "state.json").read_text())["step"] == STEPS + FURTHER_STEPS
    assert bpc == pytest.approx(expected["bpc"], rel=1e-4)  # another processor rounds otherwise
    if expected["environment"] == vars(current_environment()) and bpc == expected["bpc"]:
        assert weights_hash(end) == expected["weights"]
