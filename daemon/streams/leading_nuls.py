"""The hole in front of a log that was emptied while its writer kept its offset: NULs that nobody wrote.

`: > app.log` leaves a writer without O_APPEND where it was; what it writes next lies behind as many NULs.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_CHUNK_BYTES = 1 << 20
# NULs that are no hole to the file system are read through, so far: a step waits for it.
_MOST_BYTES = 256 << 20


def hole_end(file: BinaryIO) -> int:
    """Where a file's first byte that is no NUL lies; 0 for a file of nothing else.

    Raises:
        OSError: the file cannot be read.
    """
    begin = end = _first_data(file.fileno())
    file.seek(begin)
    while end - begin < _MOST_BYTES and (chunk := file.read(_CHUNK_BYTES)):
        if text := chunk.lstrip(b"\0"):
            return end + len(chunk) - len(text)
        end += len(chunk)
    return 0


def _first_data(descriptor: int) -> int:
    """The end of the hole that a file begins with, as far as the file system knows."""
    if not hasattr(os, "SEEK_DATA"):
        return 0
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole
            return os.lseek(descriptor, 0, os.SEEK_END)
        return 0
