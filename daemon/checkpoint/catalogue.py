"""The checkpoints of a folder, without torch: list, verify, set aside, pin, delete, sweep."""

from __future__ import annotations

import errno
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brain.nearest_name import nearest_name
from daemon.checkpoint.manifest import DefectError, check_file, read_manifest, unreadable
from daemon.checkpoint.manifest_cache import ManifestCache, look_at
from daemon.checkpoint.retention import CheckpointInfo, best_of, newest_first, newest_of_all
from daemon.errors import CheckpointError, ConflictError, NotFoundError, TornCheckpointError
from daemon.system.durable import Disk, is_left_over, remove_durably

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

PREFIX = "continuous_"
DAMAGED_PREFIX = "damaged-"
PINNED = "PINNED"

# Inside the class `list` is the method.
Infos = list[CheckpointInfo]
Paths = list[Path]
Defects = list[DefectError]
Names = list[str]
Refusals = list[tuple[Path, CheckpointError]]

ALIKE = 0.5  # names of checkpoints are digits but for their beginning
_NAME = re.compile(rf"{PREFIX}\d{{1,20}}(-\d{{1,6}})?", re.ASCII)


class Catalogue:
    """A folder of checkpoints, looked at again at each call, so several processes may use it at once.

    Files are read again only when they look changed (`known`).

    Args:
        folder: where the checkpoint directories lie; it need not exist yet.
        disk: the layer that changes the disk.
    """

    def __init__(self, folder: Path, *, disk: Disk | None = None) -> None:
        self.folder = folder
        self._disk = disk or Disk()
        self._known = ManifestCache()

    def list(self, run_id: str | None = None) -> Infos:
        """Checkpoints whose manifest is sound, newest first; those of a run in the order they were saved."""
        directories = self._directories()
        self._known.keep_only({path.name for path in directories})
        infos = [info for path in directories if (info := self._info_or_none(path)) is not None]
        if run_id is not None:
            return newest_first(info for info in infos if info.manifest.run_id == run_id)
        return newest_of_all(infos)

    def torn(self) -> Defects:
        """Checkpoints whose manifest is missing or damaged, so that not even their run is known."""
        return [error for _, error in self._refused() if isinstance(error, DefectError)]

    def hindered(self, since: float) -> CheckpointError | None:
        """Why the newest checkpoint cannot be looked at, be it of a later format or not ours to read.

        Args:
            since: unix time; one that is older than that hides nothing newer, and does not count.
        """
        errors = [
            error
            for path, error in self._refused()
            if not isinstance(error, DefectError) and time_of(path) >= int(since)
        ]
        return errors[-1] if errors else None

    def info(self, name: str) -> CheckpointInfo:
        """What is known of the checkpoint called `name`.

        Raises:
            NotFoundError: there is none of that name.
            CheckpointError: its manifest is damaged or cannot be read.
        """
        return self._info(self.path_of(name))

    def path_of(self, name: str) -> Path:
        """The directory of the checkpoint called `name`; a name can never lead out of the folder.

        Raises:
            NotFoundError: there is none of that name.
        """
        if not self.has(name):
            raise NotFoundError(f"No checkpoint is called {name!r} in {self.folder}.{self.hint(name)}")
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether there is a directory of that name."""
        return _NAME.fullmatch(name) is not None and (self.folder / name).is_dir()

    def hint(self, name: str) -> str:
        """What to add to a message about a checkpoint that does not exist: what became of it, or the nearest."""
        aside = f"{DAMAGED_PREFIX}{name}"
        if _NAME.fullmatch(name) and (self.folder / aside).is_dir():
            return f" It is damaged and kept as {aside}. See the others: synapsed checkpoints"
        names = [info.name for info in self.list()]
        if near := nearest_name(name, names, cutoff=ALIKE):
            return f" Did you mean {near}?"
        if names:
            return f" The newest is {names[0]}. See them: synapsed checkpoints"
        return " There is none yet. Begin: synapsed start"

    def runs(self) -> Names:
        """Runs that have checkpoints, the most recently saved first."""
        newest: dict[str, float] = {}
        for info in self.list():
            newest.setdefault(info.manifest.run_id, info.manifest.created)
        return [*newest]

    def verify(self, path: Path) -> CheckpointInfo:
        """Read every file of a checkpoint in full and compare sizes and SHA-256.

        Raises:
            DefectError: something differs from its manifest.
            CheckpointError: it cannot be read for another reason.
        """
        look = look_at(path)
        manifest = read_manifest(path)
        try:
            for name in manifest.names:
                check_file(path, name, manifest.files[name])
        except DefectError:
            self._known.judge(path, look, sound=False)
            raise
        self._known.judge(path, look, sound=True)
        return self._info(path)

    def trust(self, path: Path) -> None:
        """Count a checkpoint as verified: its bytes were hashed on their way to the disk just now."""
        self._known.judge(path, look_at(path), sound=True)

    def latest(self, run_id: str | None = None) -> CheckpointInfo | None:
        """The newest checkpoint of a run (by default the one saved last) that verifies; None without any."""
        runs = self.runs()
        chosen = run_id if run_id is not None else next(iter(runs), None)
        if chosen is None:
            return None
        return next(self._verified(self.list(chosen)), None)

    def older(self, info: CheckpointInfo) -> Infos:
        """The checkpoints of the same run that were saved before `info`, newest first."""
        return [other for other in self.list(info.manifest.run_id) if other.age_key < info.age_key]

    def best(self, run_id: str) -> CheckpointInfo | None:
        """The run's checkpoint of lowest BPC."""
        return best_of(self.list(run_id))

    def set_aside(self, path: Path) -> Path:
        """Move a damaged checkpoint out of the way, as `damaged-<name>`; nothing is deleted.

        Raises:
            OSError: it could not be renamed.
        """
        for target in _numbered(path.with_name(DAMAGED_PREFIX + path.name)):
            try:
                self._disk.rename(path, target)
            except OSError as error:
                if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                    raise
                continue
            self._disk.sync_directory(path.parent)
            return target
        raise AssertionError("the numbers never end")

    def kept_aside(self) -> Paths:
        """Damaged checkpoints that were moved out of the way."""
        return [path for path in self._entries() if path.name.startswith(DAMAGED_PREFIX) and path.is_dir()]

    def pin(self, name: str) -> None:
        """Keep a checkpoint until it is unpinned."""
        path = self.path_of(name)
        (path / PINNED).touch()
        self._disk.sync_directory(path)

    def unpin(self, name: str) -> None:
        """Let the retention rules have a checkpoint again."""
        path = self.path_of(name)
        (path / PINNED).unlink(missing_ok=True)
        self._disk.sync_directory(path)

    def delete(self, name: str) -> None:
        """Delete a checkpoint on request.

        Raises:
            NotFoundError: there is none of that name.
            ConflictError: it is pinned, or the only one of its run that verifies.
        """
        info = self.info(name)
        if info.pinned:
            raise ConflictError(f"Checkpoint {name} is pinned. Unpin it first")
        others = [other for other in self.list(info.manifest.run_id) if other.name != name]
        if next(self._verified(others), None) is None:
            raise ConflictError(
                f"Checkpoint {name} is the only sound one of run {info.manifest.run_id}; it stays. "
                "Save another one first: synapsed checkpoint"
            )
        self.remove(name)

    def remove(self, name: str) -> None:
        """Delete a checkpoint without asking; a crash leaves it whole or gone.

        Raises:
            NotFoundError: there is none of that name.
            OSError: it could not be deleted.
        """
        remove_durably(self.path_of(name), disk=self._disk)

    def sweep(self) -> Paths:
        """Delete the temporaries and trash of writers that live no more; done once at start. Returns them."""
        swept = []
        for path in self._entries():
            if not is_left_over(path):
                continue
            try:
                self._disk.remove(path)
            except OSError as error:  # it only takes room; the next start tries again
                logger.warning("could not remove %s: %s", path, error)
            else:
                swept.append(path)
        return swept

    def record(self, info: CheckpointInfo, *, best: bool = False) -> dict[str, Any]:
        """The JSON form the API gives, without the manifest."""
        manifest = info.manifest
        return {
            "id": info.name,
            "name": info.name,
            "run": manifest.run_id,
            "session": manifest.session,
            "step": manifest.step,
            "samples": manifest.samples,
            "created_at": manifest.timestamp,
            "reason": manifest.reason,
            "size_bytes": info.size_bytes,
            "bpc": manifest.bpc,
            "recent_bpc": manifest.recent_bpc,
            "pinned": info.pinned,
            "verified": info.verified,
            "best": best,
            "path": str(info.path),
        }

    def _verified(self, infos: Infos) -> Iterator[CheckpointInfo]:
        for info in infos:
            try:
                yield self.verify(info.path)
            except TornCheckpointError:
                continue

    def _refused(self) -> Refusals:
        """Directories whose manifest would not be read, with the reason, oldest first."""
        refused: Refusals = []
        for path in sorted(self._directories(), key=time_of):
            try:
                self._known.manifest(path)
            except CheckpointError as error:
                refused.append((path, error))
        return refused

    def _info_or_none(self, path: Path) -> CheckpointInfo | None:
        try:
            return self._info(path)
        except CheckpointError:
            return None

    def _info(self, path: Path) -> CheckpointInfo:
        look = look_at(path)
        manifest = self._known.manifest(path, look)
        return CheckpointInfo(
            name=path.name,
            path=path,
            manifest=manifest,
            size_bytes=manifest.size_bytes + look.manifest.size,
            pinned=(path / PINNED).exists(),
            verified=self._known.verdict(path, look) if look.fits(manifest) else False,
        )

    def _directories(self) -> Paths:
        return [path for path in self._entries() if _NAME.fullmatch(path.name) and path.is_dir()]

    def _entries(self) -> Paths:
        try:
            return sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unreadable(self.folder, "the folder", error) from error


def free_names(folder: Path, unix_seconds: float) -> Iterator[Path]:
    """Paths a checkpoint of this second may take: `continuous_<time>`, then with `-2`, `-3` and so on."""
    return (path for path in _numbered(folder / f"{PREFIX}{int(unix_seconds)}") if not path.exists())


def time_of(path: Path) -> int:
    """Unix time in the name of a checkpoint directory.

    >>> time_of(Path("continuous_1706123456-2"))
    1706123456
    """
    return int(path.name.removeprefix(PREFIX).partition("-")[0])


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1
