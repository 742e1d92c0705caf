"""Logs that a child writes through a descriptor it was given: cut in place, for a renamed file would grow on unseen.

Their writers append (O_APPEND), so after a cut they continue at the beginning of the emptied file.
"""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

CHILD_LOGS = ("daemon.log", "trainer.log")


def cut(log: Path, *, limit_bytes: int, parts: int) -> bool:
    """Move what a log holds, once it is larger than `limit_bytes`, to `<log>.1`, and that to `<log>.2` and so on.

    Of what outgrew the limit only the end is kept, so all parts together stay within it. Lines that come between
    the copy and the cut are lost.

    Args:
        log: the file; its writers append.
        limit_bytes: of the file, and of each part.
        parts: older parts that are kept.
    """
    try:
        size = log.stat().st_size
    except OSError:
        return False
    if size <= limit_bytes:
        return False
    try:
        if parts:
            _shift(log, parts)
            _copy_end(log, _part(log, 1), limit_bytes)
    except OSError as error:  # no room for the part: then without
        logger.warning("%s is emptied without a copy: %s", log, error.strerror or error)
    try:
        os.truncate(log, 0)
    except OSError as error:  # Windows, while another process has it open
        logger.warning("%s could not be cut: %s", log, error.strerror or error)
        return False
    return True


def set_aside(log: Path, *, parts: int) -> None:
    """Start a new log before its writer is there; what it held becomes the newest part."""
    try:
        if log.stat().st_size and parts:
            _shift(log, parts)
            log.replace(_part(log, 1))
    except OSError:  # nothing there, or no right to: then it is written on
        return


def _shift(log: Path, parts: int) -> None:
    for number in range(parts - 1, 0, -1):
        older = _part(log, number)
        if older.exists():
            older.replace(_part(log, number + 1))


def _copy_end(log: Path, target: Path, limit_bytes: int) -> None:
    with log.open("rb") as source, target.open("wb") as copy:
        target.chmod(0o600)
        source.seek(max(0, log.stat().st_size - limit_bytes))
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.truncate(min(copy.tell(), limit_bytes))


def _part(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
