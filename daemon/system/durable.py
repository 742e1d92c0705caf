"""What it takes for bytes to outlive a power cut: synced files, synced folders, renames as the only commit.

`Disk` is the one layer through which checkpoints touch the disk, so a test can make any of its calls fail.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sys
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from brain.disk_sync import sync_directory, sync_file
from daemon.system.process_identity import lives, process_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = [
    "CHUNK_BYTES",
    "TEMPORARY_PREFIX",
    "TRASH_PREFIX",
    "Disk",
    "FileRecord",
    "is_left_over",
    "remove_durably",
    "replace_file",
    "rewrite_wiped",
    "sync_directory",
    "sync_file",
    "temporary_beside",
    "trash_beside",
    "when_let_go",
    "write_whole",
]

# Large enough that hashing and writing release the interpreter for long stretches.
CHUNK_BYTES = 4 * 1024 * 1024

TEMPORARY_PREFIX = ".saving-"
TRASH_PREFIX = ".trash-"

# On Windows a file that another program has open, such as a virus scanner, cannot be renamed or deleted meanwhile.
SHARING_TRIES = 8
SHARING_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What a file must be to be the one that was written.

    Attributes:
        size: bytes.
        sha256: of the whole file, lower-case hex.
    """

    size: int
    sha256: str


class Disk:
    """The calls that change the disk, each durable when it returns."""

    def make_directory(self, path: Path) -> None:
        """Make one directory; its parent must be there."""
        path.mkdir()

    def write(self, path: Path, chunks: Iterable[bytes | memoryview]) -> FileRecord:
        """Write a new file, sync it, and say what was written.

        The hash is taken from memory on the way out, so what the disk later gives back is checked against
        what was meant.

        Raises:
            OSError: the disk is full, gone or broken; the file may be there in part.
        """
        digest = hashlib.sha256()
        size = 0
        with path.open("xb", buffering=0) as file:
            for chunk in chunks:
                view = memoryview(chunk).cast("B")
                for begin in range(0, len(view), CHUNK_BYTES):
                    part = view[begin : begin + CHUNK_BYTES]
                    digest.update(part)
                    self.write_part(file, part)
                    size += len(part)
            self.sync(file)
        return FileRecord(size=size, sha256=digest.hexdigest())

    def write_part(self, file: BinaryIO, part: memoryview) -> None:
        """Hand all of `part` to the system; a short write is carried on until it is done or fails."""
        while part:
            written = file.write(part)
            part = part[written:]

    def sync(self, file: BinaryIO) -> None:
        """Have the file's bytes reach the medium."""
        sync_file(file.fileno())

    def sync_directory(self, path: Path) -> None:
        """Have the names in a folder reach the medium."""
        sync_directory(path)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder its new name, at once or not at all.

        Raises:
            FileExistsError: something is called `target` already.
        """
        if target.exists():  # POSIX would replace an empty folder without a word
            raise FileExistsError(errno.EEXIST, "already there", str(target))
        when_let_go(lambda: source.rename(target))

    def remove(self, path: Path) -> None:
        """Delete a file or a whole folder; gone already is as good."""
        if path.is_dir() and not path.is_symlink():
            when_let_go(lambda: shutil.rmtree(path))
        else:
            when_let_go(lambda: path.unlink(missing_ok=True))


def replace_file(source: Path, target: Path) -> None:
    """Put a file in the place of another, at once or not at all; on Windows once nobody has that one open.

    Raises:
        OSError: it could not be put there; both are as they were.
    """
    when_let_go(lambda: source.replace(target))


def when_let_go(change: Callable[[], object]) -> None:
    """Make a change to the disk; on Windows, where others may have the file open, try again for a moment.

    Raises:
        OSError: it failed to the last.
    """
    for attempt in range(1, SHARING_TRIES + 1):
        try:
            change()
        except PermissionError:
            if not _shares() or attempt == SHARING_TRIES:
                raise
            time.sleep(SHARING_PAUSE_SECONDS * attempt)
        else:
            return


def write_whole(path: Path, data: bytes, *, disk: Disk | None = None) -> None:
    """Replace a small file so that a reader sees the old content or the new, never a part.

    Raises:
        OSError: it could not be written; the old content stands.
    """
    disk = disk or Disk()
    temporary = temporary_beside(path)
    try:
        disk.write(temporary, [data])
        replace_file(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):  # the next start sweeps it; the first error says more
            temporary.unlink()
        raise
    disk.sync_directory(path.parent)


def rewrite_wiped(path: Path, data: bytes) -> None:
    """As `write_whole`, and the old content is overwritten once the new stands; not on Windows, where it is in use.

    Raises:
        OSError: it could not be written; the old content stands.
    """
    if _shares():
        write_whole(path, data)
        return
    with path.open("r+b", buffering=0) as old:
        size = old.seek(0, os.SEEK_END)
        write_whole(path, data)
        old.seek(0)
        with contextlib.suppress(OSError):  # its blocks are free all the same
            Disk().write_part(old, memoryview(bytes(size)))
            sync_file(old.fileno())


def temporary_beside(path: Path) -> Path:
    """A fresh hidden name in the folder of `path` that tells which process it belongs to."""
    return path.parent / f"{TEMPORARY_PREFIX}{path.name}.{_writer_mark()}.{secrets.token_hex(4)}"


def trash_beside(path: Path) -> Path:
    """A fresh hidden name for what is about to be deleted, marked like a temporary."""
    return path.parent / f"{TRASH_PREFIX}{path.name}.{_writer_mark()}.{secrets.token_hex(4)}"


def is_left_over(path: Path) -> bool:
    """Whether `path` is a temporary or trash whose process lives no more."""
    if not path.name.startswith((TEMPORARY_PREFIX, TRASH_PREFIX)):
        return False
    mark = path.name.split(".")[-2] if path.name.count(".") >= 3 else ""
    pid = mark.partition("_")[0]
    if not (pid.isdecimal() and len(mark) < 40):
        return True
    return not lives(int(pid)) or mark != _mark_of(int(pid))


def remove_durably(path: Path, *, disk: Disk | None = None) -> None:
    """Delete a folder so that a crash leaves it whole or gone, never a part under its own name.

    Raises:
        OSError: it could not be renamed or deleted.
    """
    disk = disk or Disk()
    trash = trash_beside(path)
    disk.rename(path, trash)
    disk.sync_directory(path.parent)  # else the files could go before the rename is on the medium
    disk.remove(trash)


def _shares() -> bool:
    return sys.platform == "win32"


def _writer_mark() -> str:
    return _mark_of(os.getpid())


def _mark_of(pid: int) -> str:
    # A process id alone comes back after a restart; with its identity it does not.
    return f"{pid}_{zlib.crc32((process_identity(pid) or '').encode())}"
