"""A current folder that holds modules named as ours, or as those of Python: none of them is ever run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.system.own_modules import command_of, environment

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

pytestmark = pytest.mark.faults

HIJACK = "import sys; sys.stderr.write('hijacked'); raise SystemExit(99)"


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "downloads"
    for name in ("daemon", "brain", "pickle", "lxml", "pypdfium2"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(HIJACK)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.fault(
    "Hostile folders",
    tried="a command is started in a folder with packages called daemon, brain, pickle, lxml",
    happens="processes that it starts run this program, and nothing of the folder",
)
def test_nothing_of_the_current_folder_is_run(hostile: Path, home: Home) -> None:
    assert (hostile / "daemon").is_dir()
    own = subprocess.run(
        [*command_of("daemon.supervisor.single_file"), str(home.root / "none.pt")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "hijacked" not in own.stderr
    assert "none.pt" in own.stdout
    program = (
        "import os, runpy, sys; sys.path.pop(0); from daemon.cli import app; app.main = lambda: 0; app.run()\n"
        "import subprocess; print(subprocess.run([sys.executable, '-c', 'import pickle'], check=False).returncode)"
    )
    started = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert started.stdout == "0\n"
