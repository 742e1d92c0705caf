"""What tells a process from a later one with the same pid, whatever the clock of the machine does."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

START_TICKS = 19  # in /proc/<pid>/stat behind the name, which may hold anything


def process_identity(pid: int) -> str | None:
    """The boot and the moment in it at which a process began; None when there is no such process.

    Linux tells a start in ticks since boot; as a time of day it would move with every step of the clock. Elsewhere
    the system keeps the time of day at which the process began, as it was then.
    """
    try:
        if sys.platform != "linux":
            began = psutil.Process(pid).create_time()
            return f"{began:.2f}"
        else:  # noqa: RET505 - mypy takes what follows a platform's return for unreachable
            behind_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return f"{boot} {behind_name[START_TICKS]}"
    except (OSError, psutil.Error, IndexError):
        return None
