"""Paths a person gave to learn from, checked before anything starts."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from daemon.errors import UsageError


def locate(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The same paths made absolute, so that a run finds them from any folder.

    Raises:
        UsageError: when one is missing (names the nearest that exists) or is a folder without any file.
    """
    return tuple(str(_locate(Path(path).expanduser())) for path in paths)


def _locate(path: Path) -> Path:
    if not path.exists():
        near = nearest_existing(path)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"there is no file or folder {path}{hint}")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} cannot be read; check its permissions")
    if path.is_dir() and not any(names for _, _, names in os.walk(path)):
        raise UsageError(f"the folder {path} is empty; there is nothing to learn from")
    return path.absolute()  # not resolved: a link may lead elsewhere tomorrow


def nearest_existing(path: Path) -> Path | None:
    """The path most like a missing one: a neighbour of like name, else the last folder that is there.

    None when that is no more than the root or the current folder, which is no help.
    """
    parent = path.parent
    if not parent.is_dir():
        above = nearest_existing(parent)
        if above is None:
            return None
        candidate = above / path.name
        return candidate if candidate.exists() else above
    try:
        names = os.listdir(parent)  # noqa: PTH208 (names alone are wanted)
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return parent / near[0]
    return parent if parent not in (Path(), Path(parent.anchor)) else None
