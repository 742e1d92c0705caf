"""Walking through a source: which files there are, what is passed over, what may be opened."""

from __future__ import annotations

import fnmatch
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.system.paths import PRIVATE_NAMES, PrivateFiles, is_folder, shown
from daemon.system.special_files import special_devices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.streams.sources import SourcePath

_SKIPPED_FOLDERS = frozenset({"__pycache__", "CVS"})  # hidden ones are skipped by their dot


class Walk:
    """One look through a source.

    Attributes:
        private: names that lead to what synapsed keeps in its home; they are not entered.
        special: folders in which the system shows itself, such as /proc; they are not entered.
    """

    def __init__(self, source: SourcePath, progressed: Callable[[int], None] = lambda _: None) -> None:
        self.private: list[str] = []
        self.special: list[str] = []
        self._source = source
        self._progressed = progressed
        self._home = PrivateFiles(source.home) if source.home else None
        self._devices = special_devices()

    def is_private(self, status: os.stat_result) -> bool:
        """Whether a file or folder is a thing of the home's own."""
        return self._home is not None and self._home.hold(status)

    def look(self, path: Path) -> os.stat_result | str:
        """Status of a regular file; why not, of what must not be opened (a pipe would block) or cannot be."""
        try:
            status = path.stat()
        except OSError as error:
            return error.strerror or str(error)
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file"
        if status.st_dev in self._devices:
            return "it lies in a special file system"
        return status if os.access(path, os.R_OK) else "no permission to read it"

    def files(self) -> Iterator[tuple[Path | None, str]]:
        """Files with their names, in no order; None for a folder that cannot be entered."""
        top = self._source.path
        if not is_folder(top):
            yield top, shown(top.name)
            return
        failed: list[OSError] = []
        seen: set[tuple[int, int]] = set()
        num_files = 0
        for root, folders, files in os.walk(top, followlinks=True, onerror=failed.append):
            folder = Path(root)
            status = self._enter(folder, seen)
            if status is None:
                folders.clear()
                continue
            skipped = _SKIPPED_FOLDERS | self._source.skipped_folders
            own = PRIVATE_NAMES if self._home and self._home.is_home(status) else ()
            folders[:] = sorted(name for name in folders if name not in skipped and _is_public(name, own))
            self._progressed(num_files)
            for name in files:
                if name.endswith(self._source.suffix) and _is_public(name, own):
                    num_files += 1
                    self._progressed(num_files)
                    path = folder / name
                    yield path, shown(path.relative_to(top).as_posix())
        for error in failed:
            yield None, shown(str(error.filename))

    def _enter(self, folder: Path, seen: set[tuple[int, int]]) -> os.stat_result | None:
        """Status of a folder whose files are read; None for one that is passed over."""
        try:
            status = folder.stat()
        except OSError:
            return None
        if (status.st_dev, status.st_ino) in seen:  # a link back up, or to a folder read already
            return None
        seen.add((status.st_dev, status.st_ino))
        if self.is_private(status):
            self.private.append(shown(folder.relative_to(self._source.path)))
            return None
        if status.st_dev in self._devices:
            self.special.append(shown(folder.relative_to(self._source.path)))
            return None
        return status


def _is_public(name: str, own: tuple[str, ...]) -> bool:
    """Neither hidden nor a thing of the home's own."""
    return not name.startswith(".") and not any(fnmatch.fnmatchcase(name, pattern) for pattern in own)
