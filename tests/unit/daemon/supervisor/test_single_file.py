from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.errors import CheckpointError
from daemon.supervisor.single_file import describe

if TYPE_CHECKING:
    from pathlib import Path

FOREIGN = """
import sys, torch
content = {"step_count": 7, "total_samples_seen": 14, "model_state_dict": {"w": torch.zeros(2)}}
torch.save(content, sys.argv[1])
"""


def test_a_file_of_another_program_has_its_step(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    subprocess.run([sys.executable, "-c", FOREIGN, str(path)], check=True, timeout=120)
    assert describe(path) == {"step": 7, "samples": 14, "config": None}


def test_a_file_that_is_none_is_a_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(b"no zip")
    with pytest.raises(CheckpointError, match=r"broken\.pt"):
        describe(path)
