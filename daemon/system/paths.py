"""Paths that a person or a request gives: looked at in one place, where nothing but a UsageError can come of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from daemon.errors import UsageError
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

URI = "file:///"
PRIVATE_NAMES = (
    "token",
    "daemon.json",
    "LOCK",
    "synapsed.db*",
    "checkpoints",
    "replay",
    "logs",
    "cache",
    "backups",
    ".token.*",
    ".daemon.json.*",
)


def as_path(given: str | Path) -> Path:
    """The path meant by what was given; `~` is the home folder, `file:///…%FF` names any bytes.

    Raises:
        UsageError: it can be no path here: an unknown user, a NUL, characters without a form in file names.
    """
    text = str(given)
    if not text:
        raise UsageError("the path is empty")
    if text.startswith(URI):
        text = os.fsdecode(unquote_to_bytes(urlsplit(text).path))
    if "\0" in text:
        raise UsageError(f"{one_line(text)} is not a path: there is a NUL in it")
    try:
        path = Path(text).expanduser()
        os.fsencode(path)
    except RuntimeError:
        raise UsageError(
            f"{one_line(text)}: there is no user {one_line(text.partition('/')[0][1:])} here; "
            "write the folder's whole path"
        ) from None
    except UnicodeEncodeError:
        raise UsageError(f"{one_line(text)} is not a path: no file can be called so") from None
    return path


def as_text(path: Path | str) -> str:
    """A path as text that can be stored; a `file:///` address where its bytes are not valid UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return str(path)


def storable(given: str) -> str:
    """A path as it was given, if it can be stored, else as `as_text` names it; what is not a path stays as it is."""
    try:
        return as_text(given)
    except (UnicodeEncodeError, ValueError):
        return given


def status_of(path: Path) -> os.stat_result | None:
    """What the system says of a path; None where nothing is.

    Raises:
        UsageError: it cannot be looked at: no permission, too long, a loop of links, a broken disk.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"cannot look at {shown(path)}: {reason(error)}") from error


def is_there(path: Path) -> bool:
    """Whether there is something that can be looked at."""
    return os.path.exists(path)  # noqa: PTH110 - it never raises


def is_folder(path: Path) -> bool:
    """Whether there is a folder that can be looked at."""
    return os.path.isdir(path)  # noqa: PTH112 - it never raises


def is_file(path: Path) -> bool:
    """Whether there is a regular file that can be looked at."""
    return os.path.isfile(path)  # noqa: PTH113 - it never raises


def shown(path: Path | str) -> str:
    """A path on one line, whatever bytes, line ends or escape codes it holds."""
    return one_line(str(path))


def reason(error: OSError) -> str:
    """Why the system refused."""
    return (error.strerror or str(error)).lower()


class PrivateFiles:
    """What synapsed keeps in a home, token and logs above all, told by identity and not by name.

    A link, a hard link, a bind mount or another spelling of a name leads to the same device and inode.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._root = _identity(home)
        self._identities = set(_identities(home))

    def is_home(self, status: os.stat_result) -> bool:
        """Whether this is the home folder itself, in which other things may lie."""
        return (status.st_dev, status.st_ino) == self._root

    def hold(self, status: os.stat_result) -> bool:
        """Whether a file or folder is one of them."""
        return (status.st_dev, status.st_ino) in self._identities


def refuse_private(path: Path, home: Path) -> None:
    """Refuse a path that leads to what synapsed keeps in its home.

    Raises:
        UsageError: it does, or it cannot be looked at.
    """
    status = status_of(path)
    if status is not None and PrivateFiles(home).hold(status):
        raise UsageError(
            f"{shown(path)} leads into the home {shown(home)}, to what synapsed keeps there for itself; "
            "it is never learned from"
        )


def _identities(home: Path) -> Iterator[tuple[int, int]]:
    for entry in _entries(home):
        if not any(Path(entry.name).match(pattern) for pattern in PRIVATE_NAMES):
            continue
        path = Path(entry.path)
        if (identity := _identity(path)) is not None:
            yield identity
        folders = [path] if entry.is_dir() else []
        while folders:
            folder = folders.pop()
            if (identity := _identity(folder)) is None:
                continue
            yield identity
            for inner in _entries(folder):
                if inner.is_dir(follow_symlinks=False):
                    folders.append(Path(inner.path))
                else:
                    yield identity[0], inner.inode()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
