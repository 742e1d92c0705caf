"""One fork server a test process: what starts from it finds torch and the program loaded, and costs no second."""

from __future__ import annotations

import functools
import multiprocessing
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

LOADING_SECONDS = 120.0
HERE = sys.platform != "win32"

# Loaded once, by whoever forks first: one list for all, or the order of tests would decide what each pays.
LOADED = (
    "torch",
    "brain.models.synapse.synapse_brain",
    "brain.blocks.thinking",
    "brain.memory.hippocampus.exact_memory",
    "brain.memory.policies.tiers",
    "brain.vitals.signs.agency",
    "brain.vitals.signs.phi",
    "daemon.trainer.session",
    "daemon.checkpoint.checkpoint_writer",
    "tests.scripted_daemon",
    "daemon.supervisor.daemon",
    "tests.frozen_modules",  # the last
)


@functools.cache
def fork_server() -> ForkServerContext:
    """The way to start a process from it, once it has loaded everything; not on Windows."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    first = context.Process(target=int)
    first.start()
    first.join(LOADING_SECONDS)
    assert first.exitcode == 0
    return context
