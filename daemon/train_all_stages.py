"""Stages of `synapsed train all`: what each would make, and which are made already. Imports no torch.

A stage is known by a fingerprint over its settings and its data. What it made is recorded beside the files, after they
are there, so a stage that was killed at any moment is seen as not done.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.system.durable import write_whole
from daemon.system.paths import status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RECORDS = "stages.json"
SHORT = 8  # digits of a fingerprint in the name of a run


def fingerprint(stage: str, *parts: object, data: Iterable[str] = ()) -> str:
    """SHA-256 over a stage's name, what it is asked for, and size and time of the files that it reads.

    Args:
        stage: its name.
        parts: anything that becomes JSON.
        data: files and folders; one that is gone counts by its name.
    """
    files = []
    for text in data:
        status = status_of(Path(text))
        files.append([text, None if status is None else [status.st_size, status.st_mtime_ns]])
    content = json.dumps([stage, parts, files], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


class Records:
    """Which stages are done, in `stages.json` of the folder that holds their files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / RECORDS
        self._done = self._read()

    def is_done(self, stage: str, fingerprint: str) -> bool:
        """Whether this very stage was done and its files are there still, in the sizes that they had."""
        done = self._done.get(stage)
        if done is None or done.get("fingerprint") != fingerprint:
            return False
        return all(self._size_of(name) == size for name, size in done.get("files", {}).items())

    def files_of(self, stage: str) -> list[Path]:
        """Those that it made last."""
        return [self.folder / name for name in self._done.get(stage, {}).get("files", {})]

    def fingerprint_of(self, stage: str) -> str | None:
        """That of the last time; None: it was never done here."""
        return self._done.get(stage, {}).get("fingerprint")

    def record(self, stage: str, fingerprint: str, files: Iterable[Path]) -> None:
        """Note that a stage is done.

        Raises:
            OSError: it could not be written.
        """
        sizes = {file.relative_to(self.folder).as_posix(): file.stat().st_size for file in files}
        self._done[stage] = {"fingerprint": fingerprint, "files": sizes}
        write_whole(self._path, json.dumps(self._done, indent=2, sort_keys=True).encode())

    def _size_of(self, name: str) -> int | None:
        status = status_of(self.folder / name)
        return None if status is None else status.st_size

    def _read(self) -> dict[str, dict[str, Any]]:
        """What stands there; nothing where it cannot be read, for then the stages are done again."""
        try:
            stored: Mapping[str, Any] = json.loads(self._path.read_bytes())
            return {str(stage): dict(done) for stage, done in stored.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
