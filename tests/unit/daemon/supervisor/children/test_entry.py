"""What a trainer prints: into its log, shown, and never its death."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.supervisor.children.child_process import interrupts_held_back

PRINTS = """
import sys, warnings
from pathlib import Path
from daemon.supervisor.children.entry import redirect_output
redirect_output(Path(sys.argv[1]))
print("a name that steers: \\x1b[31m\\x9b", flush=True)
warnings.warn("a warning \\x07")
for _ in range(1000):
    print("x" * 100)
sys.exit(3)
"""


def exit_code(log: Path) -> int:
    return subprocess.run([sys.executable, "-c", PRINTS, str(log)], check=False, timeout=60).returncode


def test_what_steers_a_terminal_is_shown_in_the_log(tmp_path: Path) -> None:
    assert exit_code(tmp_path / "trainer.log") == 3
    text = (tmp_path / "trainer.log").read_text(encoding="utf-8")
    assert r"a name that steers: \x1b[31m\x9b" in text
    assert r"a warning \x07" in text
    assert text.count("x" * 100) == 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_log_is_no_death() -> None:
    assert exit_code(Path("/dev/full")) == 3


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_a_trainer_that_still_boots_dies_neither_of_ctrl_c_nor_of_a_closed_terminal() -> None:
    prints_mask = "import signal; print(*(one.name for one in signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    with interrupts_held_back():
        held_back = subprocess.run(
            [sys.executable, "-c", prints_mask], capture_output=True, text=True, check=True
        )
    assert {"SIGINT", "SIGHUP"} <= set(held_back.stdout.split())
    after = subprocess.run([sys.executable, "-c", prints_mask], capture_output=True, text=True, check=True)
    assert not {"SIGINT", "SIGHUP"} & set(after.stdout.split())
