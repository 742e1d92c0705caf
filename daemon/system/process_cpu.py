"""How much processor time another process has used: what tells one that is slow from one that hangs."""

from __future__ import annotations

import psutil


def cpu_seconds(pid: int) -> float | None:
    """Processor time of all threads of a process, user and system; None where it cannot be read.

    >>> import os
    >>> used = cpu_seconds(os.getpid())
    >>> used is not None and used > 0
    True
    """
    try:
        times = psutil.Process(pid).cpu_times()
    except (psutil.Error, OSError):
        return None
    return float(times.user + times.system)
