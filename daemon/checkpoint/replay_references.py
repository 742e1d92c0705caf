"""Which remembered experience checkpoints still refer to, told from their manifests. Imports no torch."""

from __future__ import annotations

import logging
import re
import shutil
from typing import TYPE_CHECKING, Any

from brain.memory.replay_commit import list_of
from daemon.checkpoint.manifest import read_manifest
from daemon.checkpoint.run_lock import LOCK
from daemon.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.manifest import Manifest

logger = logging.getLogger(__name__)

SEGMENT = re.compile(r"seg-\d{6,}\.bin", re.ASCII)


def segments_of(manifest: Manifest) -> set[tuple[str, str]]:
    """Folder and file of each segment that a checkpoint replays; a fork's may lie in its parent's folder.

    Raises:
        CheckpointError: what it says of replay is not understood.
    """
    replay: Mapping[str, Any] = manifest.replay or {}
    try:
        return {
            (str(one["folder"]), f"seg-{int(one['number']):06d}.bin") for one in replay.get("segments", ())
        }
    except (TypeError, LookupError, ValueError) as error:
        raise CheckpointError(
            f"a checkpoint of {manifest.run_id} names its replay in an unknown form"
        ) from error


def replayed_folders(manifests: Iterable[Manifest]) -> dict[str, set[str]]:
    """Run → the replay folders that its checkpoints refer to."""
    folders: dict[str, set[str]] = {}
    for manifest in manifests:
        try:
            folders.setdefault(manifest.run_id, set()).update(name for name, _ in segments_of(manifest))
        except CheckpointError as error:
            logger.warning("%s", error)
    return folders


def needed_segments(catalogue: Catalogue) -> dict[str, set[str]]:
    """Replay folder → files in it that any checkpoint refers to, those set aside as damaged included.

    Raises:
        CheckpointError: a checkpoint cannot be looked at, so that nobody knows what it needs.
    """
    hindrance = catalogue.hindered(since=0.0)
    if hindrance is not None:
        raise hindrance
    manifests = [info.manifest for info in catalogue.list()]
    for aside in catalogue.kept_aside():
        try:
            manifests.append(read_manifest(aside))
        except CheckpointError:  # not even its run is known: it can never be resumed
            continue
    needed: dict[str, set[str]] = {}
    for manifest in manifests:
        needed.setdefault(manifest.run_id, set())  # a run with a checkpoint has a folder to keep
        for folder, file in segments_of(manifest):
            needed.setdefault(folder, set()).add(file)
    return needed


def drop_segments(folder: Path, needed: Collection[str], *, newest_too: bool) -> int:
    """Delete the segments of a replay folder that nobody needs; bytes that became free.

    Args:
        folder: of one run, whose trainer is gone.
        needed: file names that stay.
        newest_too: whether the last one goes as well, which a trainer would continue in.
    """
    segments = sorted(path for path in folder.iterdir() if SEGMENT.fullmatch(path.name))
    freed = 0
    for path in segments if newest_too else segments[:-1]:
        if path.name in needed:
            continue
        size = path.stat().st_size
        try:
            path.unlink()
        except OSError as error:  # Windows: a fork still maps it
            logger.warning("%s could not be deleted: %s", path, error)
        else:
            freed += size
            list_of(path).unlink(missing_ok=True)
    return freed


def drop_all(folder: Path, needed: Collection[str] = ()) -> int:
    """Delete everything in a replay folder, journal and all, but for needed segments and the lock; bytes freed."""
    freed = drop_segments(folder, needed, newest_too=True)
    for path in sorted(folder.iterdir()):
        if path.name == LOCK or SEGMENT.fullmatch(f"{path.name.partition('.')[0]}.bin"):
            continue  # a segment that stays keeps the list of its rows that were erased
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            freed += path.lstat().st_size
            path.unlink(missing_ok=True)
    return freed
