"""After a daemon that died: close the books on runs it left open, once their trainers have let go of them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from daemon.checkpoint.run_lock import RunLock
from daemon.errors import ConflictError
from daemon.protocol import RunState

if TYPE_CHECKING:
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.supervisor import Supervisor

logger = logging.getLogger(__name__)


async def recover(supervisor: Supervisor, *, grace_seconds: float) -> None:
    """Bring every run that has no trainer but should, to `stopped`; none of them is resumed by itself."""
    for run_id in await asyncio.to_thread(supervisor.ledger.unfinished):
        run = await supervisor.run(run_id)
        supervisor.newsroom.runs[run.id] = run
        await _let_go(supervisor, run, grace_seconds)
        newest = await asyncio.to_thread(supervisor.ledger.newest_checkpoint_path, run.id)
        hint = f"; go on with: synapsed resume {newest.name}" if newest else ""
        run.checkpoint = newest.name if newest else run.checkpoint
        run.ended_at = supervisor.clock.now()
        run.degraded = None
        supervisor.ledger.end_session(run, "lost", "the daemon died")
        supervisor.newsroom.change_state(run, RunState.STOPPED, f"the daemon died{hint}")


async def _let_go(supervisor: Supervisor, run: LiveRun, grace_seconds: float) -> None:
    """Wait for an orphan trainer that still saves, and say so."""
    loop = asyncio.get_running_loop()

    def waiting(pid: int | None) -> None:
        who = f"its trainer (pid {pid})" if pid else "its trainer"
        loop.call_soon_threadsafe(
            supervisor.newsroom.change_state, run, RunState.STOPPING, f"the daemon died; {who} still saves"
        )

    lock = RunLock(supervisor.home.root, run.id, timeout_seconds=grace_seconds, waiting=waiting)
    try:
        await asyncio.to_thread(lock.acquire)
    except ConflictError as error:
        logger.warning("%s", error)
    except OSError as error:
        logger.warning("the lock of %s cannot be looked at: %s", run.id, error)
    else:
        lock.release()
