"""Deleting permanently while the daemon lives: a run, or a checkpoint of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daemon.errors import ConflictError, DaemonError
from daemon.supervisor.run_deletion import check_typed

if TYPE_CHECKING:
    from daemon.events import RunDeleted
    from daemon.supervisor.publishing import Publisher
    from daemon.supervisor.run_checkpoints import RunCheckpoints
    from daemon.supervisor.run_deletion import RunDeletion
    from daemon.supervisor.run_registry import RunRegistry


class Deleting:
    """Deletes what nobody needs, and publishes it.

    Args:
        deletion: of all that a run has on the disk and in the store.
        admitting: the lock of the admission: nothing is resumed while it is deleted.
    """

    def __init__(
        self,
        runs: RunRegistry,
        checkpoints: RunCheckpoints,
        deletion: RunDeletion,
        publisher: Publisher,
        *,
        admitting: asyncio.Lock,
    ) -> None:
        self._runs = runs
        self._checkpoints = checkpoints
        self._deletion = deletion
        self._publisher = publisher
        self._admitting = admitting

    async def run(self, run_id: str, *, confirm: str, pinned_too: bool = False) -> RunDeleted:
        """Delete a run permanently.

        Args:
            run_id: the run.
            confirm: its name or id, as the person typed it.
            pinned_too: delete its pinned checkpoints as well.

        Raises:
            NotFoundError: there is no such run.
            UsageError: what was typed is neither its name nor its id.
            ConflictError: it is alive or queued, has pinned checkpoints, or another run is about to resume one of its.
            DaemonError: it could not be fully deleted; the next start finishes it.
        """
        async with self._admitting:
            run = await self._runs.find(run_id)
            check_typed(run, confirm)
            if not run.state.ended or run_id in self._runs.lives:
                raise ConflictError(f"{run_id} is {run.state}; stop it first: synapsed stop --run {run_id}")
            try:
                deleted = await asyncio.to_thread(
                    self._deletion.delete, run_id, run.name, pinned_too=pinned_too
                )
            except OSError as error:
                raise DaemonError(
                    f"{run_id} is not fully deleted ({error.strerror or error}); try again, or restart the daemon"
                ) from error
            self._runs.forget(run_id)
        self._publisher.publish(None, deleted)
        return deleted

    async def finish(self) -> None:
        """Finish what an earlier life of the daemon had begun to delete; called before anything is resumed."""
        for run_id in await asyncio.to_thread(self._deletion.unfinished):
            deleted = await asyncio.to_thread(self._deletion.finish, run_id)
            if deleted is not None:
                self._runs.forget(run_id)
                self._publisher.publish(None, deleted)

    async def checkpoint(self, name: str) -> None:
        """Delete a checkpoint; a run that named it as its newest names the one before.

        Raises:
            NotFoundError: there is none of that name.
            ConflictError: it is pinned, or the only sound one of its run.
        """
        run_id, newest = await asyncio.to_thread(self._checkpoints.delete, name)
        for run in self._runs.known():
            if run.id == run_id and run.checkpoint == name:
                run.checkpoint, run.checkpoint_step = newest, None
                self._publisher.publish_run(run)
