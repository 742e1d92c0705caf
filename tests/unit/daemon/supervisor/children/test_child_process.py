"""Why a child died, in one line: what it printed before explains an end of its own, never one from outside."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from daemon.supervisor.children.child_process import Death, last_line

if TYPE_CHECKING:
    from pathlib import Path

NOTICE = "compiling the loops of the exact memory, once on this machine; learning waits for it"


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        (Death(exit_code=-signal.SIGKILL, last_line=NOTICE), "killed by SIGKILL, perhaps out of memory"),
        (Death(exit_code=-signal.SIGTERM, last_line=NOTICE), "killed by SIGTERM"),
        (
            Death(exit_code=-signal.SIGABRT, last_line="what(): bad_alloc"),
            "killed by SIGABRT: what(): bad_alloc",
        ),
        (Death(exit_code=1, last_line="MemoryError"), "exit code 1: MemoryError"),
        (Death(exit_code=1), "exit code 1"),
    ],
)
def test_the_reason_of_a_death(death: Death, reason: str) -> None:
    assert death.reason == reason


TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in f
    raise KeyError("x")
KeyError: 'x'
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (f"{NOTICE}\n{TRACEBACK}[W] a thread says good-bye\n", "KeyError: 'x'"),
        (
            f"{TRACEBACK}\nDuring handling of it:\n\n{TRACEBACK.replace('KeyError', 'OSError')}",
            "OSError: 'x'",
        ),
        (
            "Fatal Python error: Segmentation fault\n\nThread 0x1:\n  File a\n",
            "Fatal Python error: Segmentation fault",
        ),
        ("one\n\ntwo \n", "two"),
        ("Traceback (most recent call last):\n  File cut off", "File cut off"),
        ("", ""),
    ],
)
def test_the_line_that_explains_most(tmp_path: Path, log: str, line: str) -> None:
    path = tmp_path / "trainer.log"
    path.write_text("of a life before\n" + log)
    assert last_line(path, len("of a life before\n")) == line
