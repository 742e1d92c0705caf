"""After a save: what its run no longer keeps goes, and what nothing refers to any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.checkpoint.resume_holds import Holds
from daemon.checkpoint.retention import decide_pruning
from daemon.errors import CheckpointError, NotFoundError
from daemon.events import CheckpointPruned, Event

if TYPE_CHECKING:
    from daemon.checkpoint.base_weights import Bases
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.manifest import Manifest
    from daemon.config.tree import CheckpointConfig

logger = logging.getLogger(__name__)


def prune(
    catalogue: Catalogue, bases: Bases, newest: Manifest, *, retention: CheckpointConfig, now: float
) -> list[Event]:
    """Remove what the rules of the run of `newest` give up; what cannot go now goes with a later save.

    The room of all runs together is the supervisor's.
    """
    events: list[Event] = []
    try:
        own = catalogue.list(newest.run_id)
        held = Holds(catalogue.folder).names()
        doomed = decide_pruning(own, retention, now, held=held)
    except (OSError, CheckpointError) as error:
        logger.warning("nothing was pruned: %s", error)
        return events
    for name in doomed:
        try:
            catalogue.remove(name)
        except (OSError, NotFoundError) as error:  # in use, or gone already
            logger.warning("%s was not pruned: %s", name, error)
        else:
            events.append(CheckpointPruned(step=newest.step, checkpoint=name))
    if doomed:
        try:
            bases.drop_unneeded((info.manifest for info in catalogue.list()), now)
        except (OSError, CheckpointError) as error:
            logger.warning("bases that no checkpoint needs were not deleted: %s", error)
    return events
