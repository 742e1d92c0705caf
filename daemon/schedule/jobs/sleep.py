"""A nightly sleep; paused by default, since a run sleeps by the step on its own. Not made up for by day."""

from __future__ import annotations

from daemon.schedule.job_registry import JobContext, job


@job("sleep", summary="Put the learning brain to sleep", cron="0 2 * * *", paused=True, late=False)
async def sleep(context: JobContext) -> str:
    """Ask the learning run; without one there is nothing to do."""
    return await context.work.sleep()
