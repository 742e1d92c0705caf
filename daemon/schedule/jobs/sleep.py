"""A sleep at night; paused until somebody wants it, for by itself a run sleeps by the step. Not made up for by day."""

from __future__ import annotations

from daemon.schedule.registry import JobContext, job


@job("sleep", summary="Put the learning brain to sleep", cron="0 2 * * *", paused=True, late=False)
async def sleep(context: JobContext) -> str:
    """Ask the learning run; without one there is nothing to do."""
    return await context.work.sleep()
