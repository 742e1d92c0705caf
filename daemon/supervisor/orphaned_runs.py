"""After a daemon that died: end the runs it left open, once their trainers have released them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from daemon.checkpoint.run_lock import RunLock
from daemon.errors import ConflictError
from daemon.system.patience import slices
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.store.recorder import Recorder
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.run_checkpoints import RunCheckpoints
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.run_rows import RunRows

logger = logging.getLogger(__name__)


class OrphanedRuns:
    """Moves every run that should have a trainer and has none to `stopped`; none is resumed automatically.

    Attributes:
        seen: set once every run is shown as it is: none as learning that has no trainer.
        done: set once no trainer of an earlier daemon is waited for any more: runs can be begun and resumed.
    """

    def __init__(
        self,
        runs: RunRegistry,
        rows: RunRows,
        checkpoints: RunCheckpoints,
        recorder: Recorder,
        *,
        home: Path,
    ) -> None:
        self._runs = runs
        self._rows = rows
        self._checkpoints = checkpoints
        self._recorder = recorder
        self._home = home
        self.seen = asyncio.Event()
        self.done = asyncio.Event()

    async def close(self, *, grace_seconds: float) -> None:
        """End them all; wait that long for a trainer that is still saving."""
        orphaned: list[tuple[LiveRun, RunLock]] = []
        for run_id in await asyncio.to_thread(self._rows.unfinished):
            run = await self._runs.find(run_id)
            self._runs.add(run)
            lock = RunLock(self._home, run.id)
            if await asyncio.to_thread(_released, lock):
                await self._close(run)
            else:
                pid = lock.holder()
                who = f"its trainer (pid {pid})" if pid else "its trainer"
                self._runs.change_state(run, RunState.STOPPING, f"the daemon died; {who} still saves")
                orphaned.append((run, lock))
        self.seen.set()
        await asyncio.gather(*(self._wait_out(run, lock, grace_seconds) for run, lock in orphaned))
        self.done.set()

    async def _wait_out(self, run: LiveRun, lock: RunLock, grace_seconds: float) -> None:
        for seconds in slices(grace_seconds):
            await asyncio.sleep(seconds)
            if await asyncio.to_thread(_released, lock):
                break
        else:
            logger.warning("a trainer of %s (pid %s) still holds it", run.id, lock.holder())
        await self._close(run)

    async def _close(self, run: LiveRun) -> None:
        newest = await asyncio.to_thread(self._checkpoints.newest_path, run.id)
        saved_since = newest is not None and newest.name != run.checkpoint
        if run.state is RunState.QUEUED and not saved_since:  # its last session, if it had one, ended well
            self._runs.end(run, RunState.STOPPED, "left the queue: the daemon died")
            return
        hint = f"; continue with: synapsed resume {newest.name}" if newest else ""
        if newest and saved_since:
            run.checkpoint, run.checkpoint_step = newest.name, None
        self._recorder.end_session(run.id, run.session, end_state="lost", reason="the daemon died")
        self._runs.end(run, RunState.STOPPED, f"the daemon died{hint}")


def _released(lock: RunLock) -> bool:
    """Whether no trainer holds the run, as far as can be determined."""
    try:
        lock.acquire()
    except ConflictError:
        return False
    except OSError as error:
        logger.warning("the lock %s cannot be looked at: %s", lock.path, error)
    else:
        lock.release()
    return True
