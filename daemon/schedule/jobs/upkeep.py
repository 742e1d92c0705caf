"""Tidying and checking the database, once a day."""

from __future__ import annotations

from daemon.schedule.job_registry import JobContext, job


@job("upkeep", summary="Compact the database and check its integrity", cron="0 4 * * *")
async def tidy(context: JobContext) -> str:
    """Ask the daemon, which holds the database."""
    return await context.work.upkeep()
