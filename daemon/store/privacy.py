"""Who may read the database: its owner alone, whatever the umask. What is looser is tightened, as the token is.

What was read and fed stands in it. SQLite gives the files beside a database (-wal, -shm) the mode of the file.
"""

from __future__ import annotations

import glob
import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger(__name__)

PRIVATE = 0o600
BESIDE = ("", "-wal", "-shm", "-journal", "-suspect", ".before-*", ".damaged-*")


def create_private(file: Path) -> None:
    """Make an empty file that its owner alone may read; one that is there is left as it is.

    Raises:
        OSError: it can neither be found nor made.
    """
    os.close(os.open(file, os.O_CREAT | os.O_RDONLY | getattr(os, "O_BINARY", 0), PRIVATE))


def family(file: Path) -> list[Path]:
    """A database file and what belongs to it: its log, marks and kept copies."""
    name = glob.escape(file.name)
    return sorted(path for tail in BESIDE for path in file.parent.glob(name + tail) if path.is_file())


def tighten(files: Iterable[Path]) -> None:
    """Let nobody but the owner read the files; what cannot be changed is logged."""
    if os.name != "posix":
        return
    for file in files:
        try:
            mode = file.stat().st_mode & 0o777
            if mode & 0o077:
                file.chmod(mode & 0o700)  # one that its owner made read-only stays so
                log.warning("others could read %s (mode %o); its mode is %o now", file, mode, mode & 0o700)
        except FileNotFoundError:
            continue  # the log of a database goes when the last connection closes
        except OSError as error:
            log.warning("others may read %s, and that cannot be changed: %s", file, error.strerror)
