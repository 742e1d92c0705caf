"""Runs that wait for the learning one to end, first come, first served."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.trainer_protocol import TrainerOrder


class RunQueue:
    """Waiting orders; each run at most once."""

    def __init__(self) -> None:
        self._orders: deque[TrainerOrder] = deque()

    def __contains__(self, run_id: object) -> bool:
        return any(order.run_id == run_id for order in self._orders)

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: TrainerOrder) -> None:
        """Append an order."""
        assert order.run_id not in self
        self._orders.append(order)

    def take(self) -> TrainerOrder:
        """The order that has waited longest."""
        return self._orders.popleft()

    def remove(self, run_id: str) -> None:
        """Take the run out of the queue."""
        self._orders = deque(order for order in self._orders if order.run_id != run_id)

    def clear(self) -> list[str]:
        """Empty the queue; the runs that waited in it."""
        runs = [order.run_id for order in self._orders]
        self._orders.clear()
        return runs
