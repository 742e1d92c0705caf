"""What was read of checkpoints, known for as long as their files look the same from outside. Imports no torch.

A look is cheap: it reads no file. Bytes that go bad without a trace of it are found by `load`, which never asks here.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from daemon.checkpoint.manifest import ALL_FILES, MANIFEST, Manifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class FileLook(NamedTuple):
    """A file as it looks without reading it; of one that cannot be looked at all is 0 but `error`."""

    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    plain: bool = False
    error: int | None = None


class Look(NamedTuple):
    """A checkpoint as it looks from outside: its manifest and the files of ALL_FILES, in that order."""

    manifest: FileLook
    files: tuple[FileLook, ...]

    def fits(self, manifest: Manifest) -> bool:
        """Every file is there, plain, and of the size it had."""
        found = dict(zip(ALL_FILES, self.files, strict=True))
        return all(
            found[name].plain and found[name].size == manifest.files[name].size for name in manifest.names
        )


class ManifestCache:
    """Manifests, and whether every byte was right when it was last read in full."""

    def __init__(self) -> None:
        self._manifests: dict[str, tuple[FileLook, Manifest]] = {}
        self._verdicts: dict[str, tuple[Look, bool]] = {}

    def manifest(self, path: Path, look: Look | None = None) -> Manifest:
        """The manifest of the checkpoint directory `path`, read again only when its file has changed.

        Raises:
            CheckpointError: see read_manifest; what could not be read is not remembered.
        """
        seen = _look_at(path / MANIFEST) if look is None else look.manifest
        known = self._manifests.get(path.name)
        if known is not None and known[0] == seen and seen.error is None:
            return known[1]
        manifest = read_manifest(path)
        self._manifests[path.name] = (seen, manifest)  # looked at before it was read: a change since shows
        return manifest

    def verdict(self, path: Path, look: Look) -> bool | None:
        """Whether it was sound when it was read in full and looked like this; None when it never was."""
        known = self._verdicts.get(path.name)
        return known[1] if known is not None and known[0] == look else None

    def judge(self, path: Path, look: Look, *, sound: bool) -> None:
        """Every byte was read, or hashed on its way to the disk; `look` was taken before."""
        self._verdicts[path.name] = (look, sound)

    def keep_only(self, names: Collection[str]) -> None:
        """Forget all others: they are gone."""
        for known in (self._manifests, self._verdicts):
            for name in list(known):  # a copy: other threads may look things up meanwhile
                if name not in names:
                    known.pop(name, None)


def look_at(path: Path) -> Look:
    """How the checkpoint directory `path` looks now."""
    return Look(_look_at(path / MANIFEST), tuple(_look_at(path / name) for name in ALL_FILES))


def _look_at(path: Path) -> FileLook:
    try:
        found = path.lstat()
    except OSError as error:
        return FileLook(error=error.errno or 0)
    return FileLook(
        found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, stat.S_ISREG(found.st_mode)
    )
