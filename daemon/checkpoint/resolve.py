"""From what a person typed to the checkpoint that is meant. Imports no torch."""

from __future__ import annotations

import difflib
from pathlib import Path

from daemon.checkpoint.catalogue import PREFIX, Catalogue
from daemon.checkpoint.manifest import MANIFEST
from daemon.errors import NoCheckpointError, NotFoundError, UsageError

LATEST = "latest"
PORTABLE = ".pt"


def resolve(catalogue: Catalogue, text: str) -> Path:
    """The checkpoint meant by `latest`, a name, a bare time stamp, or a path to a directory or `.pt` file.

    Raises:
        NoCheckpointError: `latest`, and the newest run has no sound checkpoint.
        NotFoundError: no checkpoint has that name; names the nearest.
        UsageError: the path leads nowhere, or to something else than a checkpoint.
    """
    if text == LATEST:
        return _latest(catalogue)
    for name in (text, f"{PREFIX}{text}"):
        if (found := _named(catalogue, name)) is not None:
            return found
    path = Path(text).expanduser()
    if path.suffix == PORTABLE and path.is_file():
        return path
    if (path / MANIFEST).is_file():
        return path
    if path.exists():
        raise UsageError(
            f"{text} is not a checkpoint: a directory with a {MANIFEST} or a {PORTABLE} file is one. "
            "See them: synapsed checkpoints"
        )
    if len(path.parts) > 1 and path.parent != catalogue.folder:
        raise UsageError(f"There is nothing at {text}.{_nearest(catalogue, path.name)}")
    raise NotFoundError(
        f"No checkpoint is called {path.name!r} in {catalogue.folder}.{_nearest(catalogue, path.name)}"
    )


def _latest(catalogue: Catalogue) -> Path:
    newest = catalogue.latest()
    if newest is not None:
        return newest.path
    runs = catalogue.runs()
    if runs:
        raise NoCheckpointError(
            f"No checkpoint of the newest run {runs[0]} in {catalogue.folder} is sound. "
            "Choose one of another run: synapsed checkpoints; or begin anew: synapsed start"
        )
    raise NoCheckpointError(f"There is no checkpoint in {catalogue.folder} yet. Begin: synapsed start")


def _named(catalogue: Catalogue, name: str) -> Path | None:
    """A directory or `.pt` of that name in the folder; `continuous_17.pt` may also mean the directory."""
    if Path(name).name != name:
        return None
    if name.endswith(PORTABLE) and (catalogue.folder / name).is_file():
        return catalogue.folder / name
    try:
        return catalogue.path_of(name.removesuffix(PORTABLE))
    except NotFoundError:
        return None


def _nearest(catalogue: Catalogue, name: str) -> str:
    names = [info.name for info in catalogue.list()]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f" Did you mean {near[0]}?"
    if names:
        return f" The newest is {names[0]}. See them: synapsed checkpoints"
    return " There is none yet. Begin: synapsed start"
