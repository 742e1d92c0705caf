"""What `feed` is to send, read whole before any of it is sent: so endless files and streams are refused."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING, BinaryIO

from daemon.config.data_paths import nearest_existing
from daemon.errors import UsageError
from daemon.streams.decoding import decode
from daemon.streams.errors import UndecodableError
from daemon.system.paths import as_path, reason, shown, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable

STANDARD_INPUT = "-"
# A run takes 16 MiB that wait to be read; it reads on meanwhile, so somewhat more may be useful in one go.
MAX_FED_BYTES = 64 << 20
IN_PARTS = "feed it in parts, each with a command of its own (head -c 16M | synapsed feed -)"


def read_texts(names: Iterable[str]) -> dict[str, str]:
    """The texts by name, together at most 64 MiB, packed or not.

    Raises:
        UsageError: one is missing, too large, no regular file, empty or no text.
    """
    texts: dict[str, str] = {}
    room = MAX_FED_BYTES
    for name in names:
        if name not in texts:
            texts[name] = read_text(name, room)
            room -= len(texts[name].encode())
    return texts


def read_text(name: str, room: int = MAX_FED_BYTES) -> str:
    """A file's text, or standard input's for `-`, of at most `room` bytes; what can be read is what `--data` reads.

    Raises:
        UsageError: it is missing, larger, no regular file, empty, or no text.
    """
    if name == STANDARD_INPUT:
        content, named = _standard_input(room), "standard input"
    else:
        content, named = _file(name, room), shown(name)
    if len(content) > room:
        raise UsageError(_too_much(name, named))
    try:
        text = decode(content, max_bytes=MAX_FED_BYTES)
    except UndecodableError as error:
        raise UsageError(f"cannot read {named}: {error}") from error
    if len(text.encode()) > room:  # UTF-16 and old code pages grow
        raise UsageError(_too_much(name, named))
    if not text:
        raise UsageError(f"{named} is empty")
    return text


def _standard_input(room: int) -> bytes:
    if sys.stdin is None:
        raise UsageError("there is no standard input to read")
    try:
        return _read(sys.stdin.buffer, room)
    except OSError as error:
        raise UsageError(f"cannot read standard input: {reason(error)}") from error


def _file(name: str, room: int) -> bytes:
    path = as_path(name)
    status = status_of(path)
    if status is None:
        near = nearest_existing(path)
        raise UsageError(
            f"there is no file {shown(name)}" + (f"; did you mean {shown(near)}?" if near else "")
        )
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{shown(name)} is a folder; name its files, or learn from it with --data")
    if not stat.S_ISREG(status.st_mode):  # a pipe would block, a device may never end
        raise UsageError(f"{shown(name)} is not a regular file; pipe its text in: … | synapsed feed -")
    try:
        with path.open("rb") as file:
            return _read(file, room)
    except OSError as error:
        raise UsageError(f"cannot read {shown(name)}: {reason(error)}") from error


def _read(file: BinaryIO, room: int) -> bytes:
    """All there is, and a byte more than there is room for where that is not all."""
    return file.read(room + 1)


def _too_much(name: str, named: str) -> str:
    most = f"{MAX_FED_BYTES >> 20} MiB"
    elsewhere = "write it to a file and give that" if name == STANDARD_INPUT else "give it"
    return (
        f"with {named} it is more than the {most} that feed takes in one command; nothing was sent: "
        f"{elsewhere} with --data, or {IN_PARTS}"
    )
