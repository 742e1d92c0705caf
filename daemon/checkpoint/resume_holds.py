"""Checkpoints that a run is about to resume: nobody deletes them until that run has saved one of its own.

A file `.held-<run>` among the checkpoints names the one; so every process sees it, and it outlives its writer.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.system.durable import write_whole

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = ".held-"


class Holds:
    """The holds on the checkpoints of a folder, read again at each call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, run_id: str, checkpoint: Path) -> None:
        """Hold a checkpoint for a run until `release`; one of another folder is nobody's business here."""
        if checkpoint.parent.resolve() != self._folder.resolve():
            return
        try:
            write_whole(self._folder / f"{PREFIX}{run_id}", checkpoint.name.encode())
        except OSError as error:  # a full disk must not keep anybody from resuming
            logger.warning("%s is not held for %s: %s", checkpoint.name, run_id, error)

    def release(self, run_id: str) -> None:
        """The run needs the checkpoint of another no more."""
        try:
            (self._folder / f"{PREFIX}{run_id}").unlink(missing_ok=True)
        except OSError as error:
            logger.warning("the hold of %s stays for now: %s", run_id, error)

    def by_run(self) -> dict[str, str]:
        """Run → name of the checkpoint that is held for it."""
        found: dict[str, str] = {}
        for path in sorted(self._folder.glob(f"{PREFIX}*")):
            try:
                found[path.name.removeprefix(PREFIX)] = path.read_text(encoding="utf-8")
            except OSError:  # released in between
                continue
        return found

    def names(self) -> set[str]:
        """Names of the held checkpoints."""
        return set(self.by_run().values())
