"""Undo an order that failed in an unforeseen way, so that the run continues as if it had not been given."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.events import OrderBroke
from daemon.orders import Grow

if TYPE_CHECKING:
    from daemon.orders import Order
    from daemon.trainer.effects.earlier_brain import EarlierBrain
    from daemon.trainer.effects.effects import Effects
    from daemon.trainer.ports import Clock, Report, Save

logger = logging.getLogger(__name__)


class BrokenOrders:
    """Undoes orders that failed.

    Args:
        effects: of what the order journaled.
        earlier_brain: in place of one that is half-grown.
        save: knows the newest checkpoint.
        clock: of the run.
        report: takes the event.
    """

    def __init__(
        self, effects: Effects, earlier_brain: EarlierBrain, *, save: Save, clock: Clock, report: Report
    ) -> None:
        self._effects = effects
        self._earlier_brain = earlier_brain
        self._save = save
        self._clock = clock
        self._report = report

    def newest_entry(self) -> int:
        """Number of the newest journal entry, to be remembered before an order is carried out."""
        return self._effects.newest()

    def take_back(self, order: Order, error: Exception, *, journaled: int) -> str:
        """Undo what the order left behind, log and report the fault; returns one line for whoever asked.

        Args:
            order: what was asked for.
            error: what went wrong; handled now, so that its traceback is at hand.
            journaled: number of the newest journal entry before the order.
        """
        fault = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        logger.error("%s went wrong at step %d", order.action, self._clock.step, exc_info=error)
        # Journaled, but not in effect: it would go wrong again in every life that replays it.
        if self._effects.void_after(journaled) and isinstance(order, Grow):
            # Half-grown, maybe; the checkpoint before it is of this very step.
            self._earlier_brain.restore(self._save.newest())
        self._report.event(OrderBroke(step=self._clock.step, action=order.action, error=fault))
        return fault
