"""A copy of the database a day; the newest are kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from daemon.config.keep import GIB, KeepConfig, keep_as_far_as_sound
from daemon.schedule.job_registry import JobContext, job

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "backups"
LEFT_AFTER_SECONDS = 24 * 3600.0


@job(
    "backup", summary=f"Copy the database to {FOLDER}/, keeping the newest (keep.backups)", cron="30 3 * * *"
)
async def back_up(context: JobContext) -> str:
    """Copy first, delete old copies only after it."""
    folder = context.home / FOLDER
    moment = datetime.fromtimestamp(context.clock(), UTC)
    path = folder / f"synapsed-{moment:%Y%m%d-%H%M%S}.db"
    num_bytes = await context.work.backup(path)
    keep = keep_as_far_as_sound(context.home)
    deleted = await asyncio.to_thread(delete_old, folder, keep)
    await asyncio.to_thread(_sweep, folder, context.clock() - LEFT_AFTER_SECONDS)
    tail = f"; {deleted} old deleted" if deleted else ""
    return f"{FOLDER}/{path.name}, {num_bytes / 2**20:.1f} MiB{tail}"


def delete_old(folder: Path, keep: KeepConfig) -> int:
    """Delete copies beyond the bounds, the oldest first, never the newest; how many."""
    # Names carry the time, so their order is the order of age.
    copies = sorted(folder.glob("synapsed-*.db"), reverse=True)
    room = keep.backups_gib * GIB
    deleted = 0
    for number, path in enumerate(copies):
        room -= path.stat().st_size
        if number and (number >= keep.backups or room < 0):
            path.unlink()
            deleted += 1
    return deleted


def _sweep(folder: Path, older_than: float) -> None:
    """Delete halves of copies that a killed daemon left."""
    for path in folder.glob(".synapsed-*"):
        if path.stat().st_mtime < older_than:
            path.unlink(missing_ok=True)
