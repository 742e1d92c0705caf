"""Jobs of the diary that a person runs now, each as an operation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daemon.errors import ConflictError

if TYPE_CHECKING:
    from daemon.schedule.diary import Diary
    from daemon.supervisor.operations import Operation, Operations

TIMEOUT_SECONDS = 6 * 3600.0


class ScheduledJobs:
    """Runs jobs at once, whatever their schedule."""

    def __init__(self, diary: Diary, operations: Operations) -> None:
        self._diary = diary
        self._operations = operations
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, job: str) -> Operation:
        """Run a job now.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it is running already.
        """
        if self._diary.job(job)["running"]:
            raise ConflictError(f"job {job} is running already; wait for it to end")
        operation = self._operations.open(None, f"job {job}", timeout_seconds=TIMEOUT_SECONDS)
        task = asyncio.ensure_future(self._run(job, operation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation

    async def _run(self, job: str, operation: Operation) -> None:
        try:
            outcome = await self._diary.run_now(job)
        except ConflictError as error:
            self._operations.fail(operation, str(error))
            return
        if outcome.ok:
            self._operations.finish(operation, {"outcome": outcome.outcome, "seconds": outcome.seconds})
        else:
            self._operations.fail(operation, outcome.outcome)
