"""What the diary asks of the daemon: evaluation, sleep, backup, pruning, upkeep."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from daemon.config.keep import read_keep
from daemon.errors import ConflictError, DaemonError
from daemon.orders import Evaluate, Sleep
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home
    from daemon.store.store import Store
    from daemon.supervisor.home_bounds import Tidier
    from daemon.supervisor.operations import Operation
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.steering import Steering

ANSWERS_KEPT_SECONDS = 24 * 3600.0
LEARNING = frozenset({RunState.RUNNING, RunState.WAITING})  # also between two texts


class Chores:
    """The ScheduledWork of daemon.schedule."""

    def __init__(
        self, home: Home, store: Store, *, runs: RunRegistry, steering: Steering, tidier: Tidier
    ) -> None:
        self._home = home
        self._store = store
        self._runs = runs
        self._steering = steering
        self._tidier = tidier

    async def evaluate(self) -> str:
        """Score the whole held-out set with the brain that is learning, if one is."""
        outcome = await self._ordered(Evaluate(), "the evaluation failed")
        if isinstance(outcome, str):
            return outcome
        found = outcome.result
        loss, mixed, accuracy = (_total(found.get(name)) for name in ("bpc", "mixed_bpc", "accuracy"))
        if loss is None:
            return "scored"
        beside = "" if mixed is None else f", with memory {mixed:.3f}"
        return f"held-out BPC {loss:.3f}{beside}" + ("" if accuracy is None else f", accuracy {accuracy:.3f}")

    async def sleep(self) -> str:
        """Put the brain that is learning to sleep, if one is and it can."""
        outcome = await self._ordered(Sleep(), "it could not be put to sleep")
        return outcome if isinstance(outcome, str) else f"asleep for {outcome.result.get('steps', '?')} steps"

    async def backup(self, path: Path) -> int:
        """Copy the database to `path`; bytes of the copy."""
        return await asyncio.to_thread(self._store.backup, path)

    async def prune(self) -> str:
        """Bring everything that grows in the home within its bounds."""
        self._store.forget_answers(older_than_seconds=ANSWERS_KEPT_SECONDS)
        return await self._tidier.tidy()

    async def upkeep(self) -> str:
        """Thin, tidy and check the database."""
        keep = read_keep(self._home.root, environ=self._home.environ)
        thin = partial(
            self._store.thin,
            metric_rows=keep.metric_rows,
            rollup_rows=keep.rollup_rows,
            history_rows=keep.history_rows,
        )
        thinned = await asyncio.to_thread(thin)
        verdict = await asyncio.to_thread(self._store.upkeep)
        return f"{verdict}; {thinned:,} old rows deleted" if thinned else verdict

    async def _ordered(self, order: Evaluate | Sleep, failed: str) -> Operation | str:
        """The operation that an order to the learning brain became, once it is done; or why there is none.

        Raises:
            DaemonError: it failed.
        """
        learning = [run for run in self._runs.active() if run.state in LEARNING]
        if not learning:
            return "nothing is learning"
        try:
            operation = await self._steering.act(learning[0].id, order)
        except ConflictError as conflict:
            return str(conflict)
        await operation.finished.wait()
        if operation.state == "failed":
            raise DaemonError(operation.error or failed)
        return operation


def _total(by_source: object) -> float | None:
    return by_source.get("total") if isinstance(by_source, dict) else None
