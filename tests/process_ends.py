"""Waiting for processes to die that are nobody's children here."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def still_alive(processes: Iterable[psutil.Process], *, timeout: float) -> list[psutil.Process]:
    """Those still alive after the timeout; one that is dead but not collected yet counts as dead."""
    deadline = time.monotonic() + timeout
    return [process for process in processes if not _dies(process, max(0.0, deadline - time.monotonic()))]


def _dies(process: psutil.Process, timeout: float) -> bool:
    if sys.platform != "linux":
        return not psutil.wait_procs([process], timeout=timeout)[1]
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        return not process.is_running() or bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)
