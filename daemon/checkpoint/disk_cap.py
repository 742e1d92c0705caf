"""The room that checkpoints take: the rules of a run whose trainer is gone, the cap over all runs. Imports no torch.

Whatever is deleted here, each run keeps a checkpoint that was read in full and found right, if it has one at all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.checkpoint.retention import CheckpointInfo, by_run, decide_cap, decide_pruning
from daemon.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from daemon.checkpoint.catalogue import Catalogue
    from daemon.config.tree import CheckpointConfig

logger = logging.getLogger(__name__)


def prune(
    catalogue: Catalogue,
    runs: Iterable[str],
    policy_of: Callable[[str], CheckpointConfig],
    now: float,
    *,
    held: Collection[str],
) -> list[str]:
    """Delete what the rules of these runs give up, each run's own; names of the deleted.

    Only for runs without a live trainer: a trainer prunes its own.
    """
    deleted: list[str] = []
    for run in runs:

        def decide(run: str = run) -> list[str]:
            return decide_pruning(catalogue.list(run), policy_of(run), now, held=held)

        deleted += _delete(catalogue, decide)
    return deleted


def fit(
    catalogue: Catalogue,
    max_bytes: float,
    policy_of: Callable[[str], CheckpointConfig],
    now: float,
    *,
    held: Collection[str],
) -> list[str]:
    """Delete until the checkpoints of all runs together take at most `max_bytes`; names of the deleted."""
    return _delete(
        catalogue, lambda: decide_cap(catalogue.list(), max_bytes, now, policy_of=policy_of, held=held)
    )


def damaged(catalogue: Catalogue) -> dict[str, int]:
    """Name → bytes of each checkpoint that was set aside as damaged; nobody deletes it but a person."""
    return {
        path.name: sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        for path in catalogue.kept_aside()
    }


def _delete(catalogue: Catalogue, decide: Callable[[], list[str]]) -> list[str]:
    doomed = decide()
    while doomed and not _each_keeps_a_sound_one(catalogue, doomed):
        doomed = decide()  # one that would have stayed is damaged: the decision is another now
    deleted = []
    for name in doomed:
        try:
            catalogue.remove(name)
        except (OSError, CheckpointError) as error:
            logger.warning("checkpoint %s could not be deleted: %s", name, error)
        else:
            deleted.append(name)
    return deleted


def _each_keeps_a_sound_one(catalogue: Catalogue, doomed: Collection[str]) -> bool:
    """Whether every run that loses something keeps one that is right to the last byte; reads it if need be.

    False when one turned out to be damaged, which the catalogue knows from then on.
    """
    for own in by_run(catalogue.list()).values():
        left = [info for info in own if info.name not in doomed and info.verified is not False]
        if len(left) == len(own) or any(info.verified for info in left):
            continue
        if left and not _verifies(catalogue, left[0]):
            return False
    return True


def _verifies(catalogue: Catalogue, info: CheckpointInfo) -> bool:
    try:
        catalogue.verify(info.path)
    except CheckpointError:
        return False
    return True
