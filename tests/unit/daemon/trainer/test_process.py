"""The end of a trainer's process."""

from __future__ import annotations

import subprocess
import sys

LEAVING = """
import atexit, sys
from daemon.trainer.process import leave
atexit.register(print, "taken down")
print("out", end="")
print("err", end="", file=sys.stderr)
leave(3)
"""


def test_it_leaves_with_its_code_and_all_it_printed_and_takes_nothing_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "out", "err")
