"""Modules of ours, run in a process of their own."""

from __future__ import annotations

import os
import sys


def command_of(module: str) -> list[str]:
    """The command that runs a module of ours, never one of that name in the current folder."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """Our environment, in which that process finds all that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
