"""Find the checkpoint that a person named. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from daemon.checkpoint.catalogue import PREFIX, Catalogue
from daemon.checkpoint.manifest import MANIFEST, Manifest, read_manifest
from daemon.errors import CheckpointError, NoCheckpointError, NotFoundError, UsageError
from daemon.system.paths import as_path, is_file, shown, status_of

LATEST = "latest"
PORTABLE = ".pt"
PACKED = ".safetensors"
MODEL_FILE, MODEL_CONFIG = "model.safetensors", "config.json"  # of a folder that model hubs know


def resolve(catalogue: Catalogue, text: str) -> Path:
    """The checkpoint meant by `latest`, a name, a bare time stamp, or a path to a directory, `.pt` or packed file.

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
    path = as_path(text)
    if path.suffix in (PORTABLE, PACKED) and is_file(path):
        return path
    if is_file(path / MANIFEST):
        return path
    if is_file(path / MODEL_FILE) and is_file(path / MODEL_CONFIG):
        return path / MODEL_FILE
    if status_of(path) is not None:
        raise UsageError(
            f"{shown(text)} is not a checkpoint: a directory with a {MANIFEST} or a {PORTABLE} file is one. "
            "See them: synapsed checkpoints"
        )
    if len(path.parts) > 1 and path.parent != catalogue.folder:
        raise UsageError(f"There is nothing at {shown(text)}.{catalogue.hint(path.name)}")
    raise NotFoundError(
        f"No checkpoint is called {shown(path.name)!r} in {catalogue.folder}.{catalogue.hint(path.name)}"
    )


def refuse_packed(path: Path) -> None:
    """Refuse to resume a packed file that `resolve` found.

    Raises:
        UsageError: it is a packed file.
    """
    if path.suffix == PACKED:
        raise UsageError(
            f"{shown(path)} is a packed file, which can be asked and evaluated but not resumed: it lacks what learning "
            "needs. Resume the checkpoint it was made from: synapsed checkpoints"
        )


def newest_run(catalogue: Catalogue) -> str:
    """The run that was saved last; looks at manifests only.

    Raises:
        NoCheckpointError: there is none, or all that was saved last is damaged and was set aside.
        CheckpointError: there are only checkpoints that cannot be looked at.
    """
    runs = catalogue.runs()
    aside = catalogue.kept_aside()
    kept = f" Damaged ones are kept as {', '.join(path.name for path in aside)}." if aside else ""
    if not runs:
        if hindrance := catalogue.hindered(since=0.0):
            raise hindrance
        raise NoCheckpointError(
            f"No checkpoint in {catalogue.folder} is sound.{kept} Start over: synapsed start"
            if aside
            else f"There is no checkpoint in {catalogue.folder} yet. Begin: synapsed start"
        )
    newest = max((manifest for path in aside if (manifest := _manifest(path))), key=_created, default=None)
    if newest and newest.run_id not in runs and newest.created > _created(catalogue.list()[0].manifest):
        raise _unsound(catalogue, newest.run_id, kept)
    return runs[0]


def _latest(catalogue: Catalogue) -> Path:
    run_id = newest_run(catalogue)
    newest = catalogue.latest(run_id)
    if newest is None:
        raise _unsound(catalogue, run_id, "")
    return newest.path


def _unsound(catalogue: Catalogue, run_id: str, kept: str) -> NoCheckpointError:
    return NoCheckpointError(
        f"No checkpoint of the newest run {run_id} in {catalogue.folder} is sound.{kept} "
        "Choose one of another run: synapsed checkpoints; or start over: synapsed start"
    )


def _manifest(path: Path) -> Manifest | None:
    try:
        return read_manifest(path)
    except CheckpointError:
        return None


def _created(manifest: Manifest) -> float:
    return manifest.created


def _named(catalogue: Catalogue, name: str) -> Path | None:
    """A directory or `.pt` of that name in the folder; `continuous_17.pt` may also mean the directory."""
    if Path(name).name != name:
        return None
    if name.endswith(PORTABLE) and (catalogue.folder / name).is_file():
        return catalogue.folder / name
    directory = name.removesuffix(PORTABLE)
    return catalogue.folder / directory if catalogue.has(directory) else None
