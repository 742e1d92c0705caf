"""A copy of the database a day, the newest seven kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from daemon.schedule.registry import JobContext, job

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "backups"
KEEP = 7


@job("backup", summary=f"Copy the database to {FOLDER}/, keeping the newest {KEEP}", cron="30 3 * * *")
async def back_up(context: JobContext) -> str:
    """Copy first, delete old copies only after it."""
    folder = context.home / FOLDER
    moment = datetime.fromtimestamp(context.clock(), UTC)
    path = folder / f"synapsed-{moment:%Y%m%d-%H%M%S}.db"
    num_bytes = await context.work.backup(path)
    deleted = await asyncio.to_thread(_delete_old, folder)
    tail = f"; {deleted} old deleted" if deleted else ""
    return f"{FOLDER}/{path.name}, {num_bytes / 2**20:.1f} MiB{tail}"


def _delete_old(folder: Path) -> int:
    # Names carry the time, so their order is the order of age.
    old = sorted(folder.glob("synapsed-*.db"))[:-KEEP]
    for path in old:
        path.unlink()
    return len(old)
