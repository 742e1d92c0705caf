"""An order in which something unforeseen went wrong is taken back; the run goes on as if it had not been given."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.events import OrderBroke
from daemon.orders import Grow

if TYPE_CHECKING:
    from daemon.orders import Order
    from daemon.trainer.loop import Loop

logger = logging.getLogger(__name__)


def go_on_without(loop: Loop, order: Order, error: Exception, *, journaled: int) -> str:
    """Take back what the order left behind, log the fault and tell of it; one line for who asked.

    Args:
        loop: the loop it was given to.
        order: what was asked for.
        error: what went wrong; handled now, so that its traceback is at hand.
        journaled: number of the newest journal entry before the order.
    """
    says = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    logger.error("%s went wrong at step %d", order.action, loop.step, exc_info=error)
    journal, state = loop.parts.journal, loop.parts.state
    # Journaled, but not in effect: it would go wrong again in every life that replays it.
    broken = [entry for entry in journal.entries if entry.sequence > max(journaled, state.journal_sequence)]
    for entry in broken:
        state.journal_sequence = journal.void(entry).sequence
    if broken and isinstance(order, Grow):
        # Half-grown, maybe; the checkpoint before it is of this very step.
        loop.parts.saver.restore_brain(loop, loop.parts.saver.newest())
    loop.parts.reporter.event(OrderBroke(step=loop.step, action=order.action, error=says))
    return says
