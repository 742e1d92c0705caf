"""Files that a person asks for: whole under their name or not there at all, and one line where they cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, BinaryIO, cast

from daemon.config.data_paths import nearest_existing
from daemon.errors import UnwritableError, UsageError
from daemon.system.durable import replace_file, sync_directory, sync_file, temporary_beside
from daemon.system.paths import is_folder, is_there, reason, shown, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEXT = {
    errno.ENOSPC: "make room, or choose another place",
    errno.EDQUOT: "make room, or choose another place",
    errno.EFBIG: "choose a place that takes files of its size",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.EISDIR: "name a file in it",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class _Noting:
    """A file that remembers the error of a write: what calls it may report one of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """As the file's."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """As the file's."""
        self._file.flush()

    def finish(self) -> None:
        """All of it reaches the medium."""
        try:
            self._file.flush()
            sync_file(self._file.fileno())
        except OSError as error:
            self.error = error
            raise


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write; it appears under its name complete, and where that fails nothing is left.

    Raises:
        UnwritableError: it could not be written, whatever a library in between made of that.
    """
    temporary = temporary_beside(target)
    try:
        file = temporary.open("xb")
    except OSError as error:
        raise UnwritableError(_not_written(target, error)) from error
    noting = _Noting(file)
    try:
        with file:
            yield cast("BinaryIO", noting)
            noting.finish()
        _put_there(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a read-only disk: nothing was written there either
            temporary.unlink()
        if noting.error is not None:
            raise UnwritableError(_not_written(target, noting.error)) from error
        raise


def _put_there(temporary: Path, target: Path) -> None:
    try:
        replace_file(temporary, target)
        sync_directory(target.parent)
    except OSError as error:
        raise UnwritableError(_not_written(target, error)) from error


def _not_written(target: Path, error: OSError) -> str:
    """Why, and what to do, in one line that names the file and no other."""
    if (problem := _folder_problem(target)) is not None:
        return problem
    then = _NEXT.get(error.errno or 0, "choose another place")
    return f"{shown(target)} cannot be written: {reason(error)}; {then}"


def check_writable(target: Path, *, force: bool, option: str) -> None:
    """Whether a file can be written, before what is to stand in it takes its time.

    Args:
        target: the file.
        force: one that is there is replaced.
        option: with which another is named.

    Raises:
        UsageError: it is there already or is a folder, or its folder is missing, must not be written to or cannot be
            looked at.
    """
    found = status_of(target)
    if is_folder(target):
        raise UsageError(f"{shown(target)} is a folder; name a file in it ({option})")
    if found is not None and not force:
        raise UsageError(
            f"{shown(target)} is there already; replace it with --force, or name another with {option}"
        )
    if (problem := _folder_problem(target)) is not None:
        raise UsageError(problem)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"{shown(target)} cannot be written: {shown(target.parent)} is read-only for you; choose another place "
            f"({option})"
        )


def _folder_problem(target: Path) -> str | None:
    """What is wrong with the folder of a file; None where it is one."""
    folder = target.parent
    if is_folder(folder):
        return None
    missing = f"{shown(target)} cannot be written: "
    if is_there(folder):
        return f"{missing}{shown(folder)} is a file, no folder"
    near = nearest_existing(folder)
    meant = f"; did you mean {shown(near)}?" if near is not None and near not in folder.parents else ""
    return f"{missing}there is no folder {shown(folder)}{meant or '; make it first'}"
