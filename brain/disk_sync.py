"""Have written bytes and names reach the medium, on every system and file system as far as it can. No torch."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What network, FUSE and FAT file systems answer to a call they do not have.
NOT_THERE = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS}


def sync_file(descriptor: int) -> None:
    """Sync a file that is open for writing; Windows refuses one that is open for reading only.

    On macOS through the drive's own cache too, where plain fsync stops short, if the file system knows how.

    Raises:
        OSError: the medium refused.
    """
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - POSIX only

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
        else:
            return
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Sync a folder's entries; Windows has no such call and orders its metadata itself.

    Raises:
        OSError: the medium refused; a file system that has no such call is no failure.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise
    finally:
        os.close(descriptor)
