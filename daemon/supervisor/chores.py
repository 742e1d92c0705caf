"""What the diary asks of the daemon: evaluation, sleep, backup, pruning, upkeep."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from daemon.config.keep import read_keep
from daemon.errors import ConflictError, DaemonError
from daemon.orders import Evaluate, Sleep
from daemon.protocol import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.supervisor.supervisor import Supervisor
    from daemon.supervisor.tidying import Tidier

ANSWERS_KEPT_SECONDS = 24 * 3600.0


LEARNING = frozenset({RunState.RUNNING, RunState.WAITING})  # also between two texts


class Chores:
    """The ScheduledWork of daemon.schedule, done by the supervisor."""

    def __init__(self, supervisor: Supervisor, tidier: Tidier) -> None:
        self._supervisor = supervisor
        self._tidier = tidier

    async def evaluate(self) -> str:
        """Score the whole held-out set with the brain that is learning; say so when none is."""
        supervisor = self._supervisor
        learning = [run for run in supervisor.active() if run.state in LEARNING]
        if not learning:
            return "nothing is learning"
        try:
            operation = await supervisor.act(learning[0].id, Evaluate())
        except ConflictError as conflict:
            return str(conflict)
        await operation.finished.wait()
        if operation.state == "failed":
            raise DaemonError(operation.error or "the evaluation failed")
        bpc = operation.result.get("bpc", {})
        total = bpc.get("total") if isinstance(bpc, dict) else None
        return f"held-out BPC {total:.3f}" if total is not None else "scored"

    async def sleep(self) -> str:
        """Put the brain that is learning to sleep; say so when none is, or when it cannot."""
        supervisor = self._supervisor
        learning = [run for run in supervisor.active() if run.state in LEARNING]
        if not learning:
            return "nothing is learning"
        try:
            operation = await supervisor.act(learning[0].id, Sleep())
        except ConflictError as conflict:
            return str(conflict)
        await operation.finished.wait()
        if operation.state == "failed":
            raise DaemonError(operation.error or "it could not be put to sleep")
        return f"asleep for {operation.result.get('steps', '?')} steps"

    async def backup(self, path: Path) -> int:
        """Copy the database to `path`; bytes of the copy."""
        return await asyncio.to_thread(self._supervisor.ledger.store.backup, path)

    async def prune(self) -> str:
        """Bring what grows in the home within its bounds."""
        supervisor = self._supervisor
        supervisor.ledger.store.forget_answers(older_than_seconds=ANSWERS_KEPT_SECONDS)
        return await self._tidier.tidy()

    async def upkeep(self) -> str:
        """Thin, tidy and check the database."""
        store, home = self._supervisor.ledger.store, self._supervisor.home
        keep = read_keep(home.root, environ=home.environ)
        thin = partial(
            store.thin,
            metric_rows=keep.metric_rows,
            rollup_rows=keep.rollup_rows,
            history_rows=keep.history_rows,
        )
        thinned = await asyncio.to_thread(thin)
        verdict = await asyncio.to_thread(store.upkeep)
        return f"{verdict}; {thinned:,} old rows deleted" if thinned else verdict
