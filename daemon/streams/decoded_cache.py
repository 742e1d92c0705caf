"""The room that decoded documents take: what was not read for longest goes first; it can be decoded again."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from daemon.system.process_identity import lives

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

logger = logging.getLogger(__name__)

DECODED = "*.txt"
PARTIAL = "*.partial"
PARTIAL_SECONDS = 24 * 3600.0


def trim(
    folder: Path, max_bytes: float, *, in_use: Collection[str] = (), unread_since: float | None = None
) -> int:
    """Delete decoded documents, the longest unread first, until the rest fits; how many.

    Args:
        folder: the cache.
        max_bytes: what all of them may take.
        in_use: names that stay.
        unread_since: unix time; what nobody read since goes in any case.
    """
    entries = []
    for path in folder.glob(DECODED):
        try:
            found = path.stat()
        except OSError:  # another process was faster
            continue
        entries.append((max(found.st_atime, found.st_mtime), found.st_size, path))
    room = max_bytes
    deleted = 0
    for read_at, size, path in sorted(entries, reverse=True):
        room -= size
        stale = unread_since is not None and read_at < unread_since
        if (room >= 0 and not stale) or path.name in in_use:
            continue
        room += size
        deleted += _delete(path)
    return deleted


def sweep(folder: Path, *, now: float | None = None) -> int:
    """Delete halves that a killed process left; how many."""
    before = (time.time() if now is None else now) - PARTIAL_SECONDS
    count = 0
    for path in folder.glob(PARTIAL):
        pid = path.name.split(".")[-2]
        if not (pid.isdecimal() and lives(int(pid))) or path.stat().st_mtime < before:
            count += _delete(path)
    return count


def _delete(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # Windows: it is being read
        logger.warning("%s could not be deleted: %s", path, error)
        return False
    return True
