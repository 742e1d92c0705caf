"""Locking a run: while an earlier trainer still holds it, this one waits, reports why, and can be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.checkpoint.run_lock import RunLock
from daemon.errors import ConflictError
from daemon.interrupting import Interrupted
from daemon.system.patience import slices
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.link.reporting import Reporter

LOCK_TIMEOUT_SECONDS = 60.0


def take_run(
    home: Path,
    run_id: str,
    pipe: Pipe,
    reporter: Reporter,
    degrade: Callable[[str | None], None],
    *,
    timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
) -> RunLock:
    """Take the run's lock; while waiting, show signs of life and pass the reason to `degrade`.

    Raises:
        ConflictError: another process still holds it after `timeout_seconds`.
        Interrupted: the run is to end meanwhile.
        UsageError: the file system does not support locks.
    """
    lock = RunLock(home, run_id)
    for seconds in slices(timeout_seconds):
        try:
            lock.acquire()
        except ConflictError:
            holder = lock.holder()
            who = f"process {holder}, its earlier trainer," if holder else "its earlier trainer"
            degrade(f"the run cannot begin yet: {who} still holds it and may be saving")
        else:
            degrade(None)
            return lock
        reporter.alive(RunState.STARTING, step=0, samples=0, training_seconds=0.0)
        pipe.wait_for_news(seconds)
        if pipe.ending:
            raise Interrupted
    lock.acquire()
    return lock
