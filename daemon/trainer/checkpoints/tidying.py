"""What no kept checkpoint needs any more: journal entries and replay segments; what cannot go, goes later."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from brain.memory.replay_commit import ReplayCommit
from daemon.erasing_receipts import Receipts
from daemon.errors import CheckpointError
from daemon.system.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from brain.memory.replay import ReplayMemory
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.journal import Journal

logger = logging.getLogger(__name__)


class Tidying:
    """Deletes it after checkpoints were pruned; with it texts of receipts that none of them could bring back.

    Args:
        run_id: of the run, whose checkpoints alone need its journal.
        journal: of the run.
        replay: of the run; its segments may be needed by checkpoints of other runs, too.
    """

    def __init__(
        self,
        run_id: str,
        journal: Journal,
        replay: ReplayMemory,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run_id = run_id
        self._journal = journal
        self._replay = replay
        self._receipts = Receipts(journal.folder)
        self._retry = Retry(monotonic=monotonic)

    def tidy(self, catalogue: Catalogue) -> bool:
        """Delete what these checkpoints leave; False when it is to be tried again."""
        if not self._retry.due:
            return False
        try:
            infos = catalogue.list()
            own = [info.manifest.step for info in infos if info.manifest.run_id == self._run_id]
            if own:
                self._journal.drop_before(min(own))
            self._receipts.seal(info.manifest for info in infos if info.manifest.run_id == self._run_id)
            commits = [ReplayCommit.from_json(info.manifest.replay) for info in infos if info.manifest.replay]
            for path in self._replay.unreferenced(commits):
                delete(path)
        except (OSError, CheckpointError) as error:
            logger.warning("what no checkpoint needs could not be deleted: %s", error)
            self._retry.failed()
            return False
        self._retry.succeeded()
        return True


def delete(path: Path) -> None:
    """Delete a file, or leave it while something holds it."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:  # Windows: a fork maps it still; it comes up again with the next pruning
        logger.warning("%s could not be deleted: %s", path, error)
