"""Deleting what is not needed any more, every hour."""

from __future__ import annotations

from daemon.schedule.job_registry import JobContext, job


@job(
    "pruning",
    summary="Keep the home within its size limits (keep.toml)",
    every_seconds=3600.0,
)
async def prune(context: JobContext) -> str:
    """Ask the daemon, which knows what is in use."""
    return await context.work.prune()
