"""Paths a person gave to learn from, checked before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from brain.nearest_name import nearest_name
from daemon.errors import UsageError
from daemon.system.paths import (
    as_path,
    as_text,
    is_folder,
    is_there,
    reason,
    refuse_private,
    shown,
    status_of,
)
from daemon.system.special_files import require_file_or_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.config.tree import StreamConfig


def locate(paths: Sequence[str], *, may_fill: bool = False) -> tuple[str, ...]:
    """The same paths made absolute, so that a run finds them from any folder; links stay links.

    `may_fill` lets an empty folder pass.

    Raises:
        UsageError: when one is missing (names the nearest that exists), cannot be looked at, is not a regular file
            or folder, or is a folder without any file.
    """
    return tuple(as_text(_located(as_path(path), may_fill=may_fill)) for path in paths)


def require_data(stream: StreamConfig, *, home: Path) -> None:
    """Refuse stored paths that are not there any more, are no file or folder, or lead into the home.

    Raises:
        UsageError: with the path.
    """
    for text, setting in _paths_of(stream):
        try:
            path = as_path(text)
            found = status_of(path)
            refuse_private(path, home)
            if found is not None:
                require_file_or_folder(path, found)
        except UsageError as error:
            raise UsageError(f"{error}; {_hint(setting)}", path=setting) from None
        if found is None:
            line = f"there is no file or folder {shown(text)} to learn from; {_hint(setting)}"
            raise UsageError(line, path=setting)


def _paths_of(stream: StreamConfig) -> list[tuple[str, str]]:
    """What a run reads, each path with its setting."""
    tables = enumerate(stream.source)
    return [
        *((path, "stream.data") for path in stream.data),
        *((str(table["path"]), f"stream.source.{place}") for place, table in tables),
    ]


def _hint(setting: str) -> str:
    return "check --data (stream.data)" if setting == "stream.data" else f"check {setting}"


def _located(path: Path, *, may_fill: bool) -> Path:
    status = status_of(path)
    if status is None:
        near = nearest_existing(path)
        hint = f"; did you mean {shown(near)}?" if near else ""
        raise UsageError(f"there is no file or folder {shown(path)}{hint}")
    require_file_or_folder(path, status)
    if not os.access(path, os.R_OK):
        raise UsageError(f"{shown(path)} cannot be read; check its permissions")
    if is_folder(path) and not _holds_files(path) and not may_fill:
        raise UsageError(f"the folder {shown(path)} is empty; there is nothing to learn from")
    return path.absolute()  # not resolved: a link may lead elsewhere tomorrow


def _holds_files(folder: Path) -> bool:
    def refused(error: OSError) -> None:
        if error.filename == str(folder):
            raise UsageError(f"cannot look into {shown(folder)}: {reason(error)}") from error

    return any(names for _, _, names in os.walk(folder, onerror=refused))


def nearest_existing(path: Path) -> Path | None:
    """The path most like a missing one: a neighbour of like name, else the last folder that is there.

    None when that is no more than the root or the current folder, which is no help.
    """
    parent = path.parent
    if not is_folder(parent):
        above = nearest_existing(parent) if parent != path else None
        if above is None:
            return None
        candidate = above / path.name
        return candidate if is_there(candidate) else above
    try:
        names = os.listdir(parent)  # noqa: PTH208 (names alone are wanted)
    except OSError:
        return None
    near = nearest_name(path.name, names)
    if near is not None:
        return parent / near
    return parent if parent not in (Path(), Path(parent.anchor)) else None
