"""What tells a process from a later one with the same pid, whatever the clock of the machine does."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

# In /proc/<pid>/stat behind the name, which may hold anything.
STATE = 0
START_TICKS = 19
DEAD = ("Z", "X")  # a zombie has died; nobody has collected it yet


def process_identity(pid: int) -> str | None:
    """The boot and the moment in it at which a process began; None when there is no such process, or it has died.

    Linux tells a start in ticks since boot; as a time of day it would move with every step of the clock. Elsewhere
    the system keeps the time of day at which the process began, as it was then.
    """
    try:
        if sys.platform != "linux":
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
        else:  # noqa: RET505 - mypy takes what follows a platform's return for unreachable
            behind_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            if behind_name[STATE] in DEAD:
                return None
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return f"{boot} {behind_name[START_TICKS]}"
    except (OSError, psutil.Error, IndexError):
        return None


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not died; one that may not be looked at does."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
