"""Held-out evaluation of the brain that is learning, once a day."""

from __future__ import annotations

from daemon.schedule.job_registry import JobContext, job


@job("evaluation", summary="Score the learning brain on the whole held-out set", cron="30 2 * * *")
async def evaluate(context: JobContext) -> str:
    """Ask the learning run; without one there is nothing to do."""
    return await context.work.evaluate()
