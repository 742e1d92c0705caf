"""Notifies every audience of what happens; none can hinder another, the store or the loop."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.events import AudienceDropped
from daemon.supervisor.audiences.threaded import MAX_FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.events import Event
    from daemon.supervisor.audiences.audience import Audience

logger = logging.getLogger(__name__)


@dataclass
class _Place:
    name: str
    audience: Audience
    failures: int = 0


class Dispatcher:
    """An Audience made of all others.

    One that cannot write any more (OSError), or that fails `MAX_FAILURES` times in a row, is dropped, and `report`
    is called; a single failure costs it that one notification, and is logged.
    """

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._places: list[_Place] = []

    def add(self, audience: Audience, name: str) -> None:
        """Notify it from now on; `name` is what a person calls it."""
        self._places.append(_Place(name, audience))

    def on_run(self, run: dict[str, Any]) -> None:
        """As Audience.on_run."""
        self._notify("on_run", run)

    def on_delta(self, delta: dict[str, Any]) -> None:
        """As Audience.on_delta."""
        self._notify("on_delta", delta)

    def on_event(self, event: dict[str, Any]) -> None:
        """As Audience.on_event."""
        self._notify("on_event", event)

    def on_operation(self, operation: dict[str, Any]) -> None:
        """As Audience.on_operation."""
        self._notify("on_operation", operation)

    def _notify(self, method: str, news: dict[str, Any]) -> None:
        dropped = []
        for place in tuple(self._places):
            try:
                getattr(place.audience, method)(news)
                place.failures = 0
            except Exception as error:
                place.failures += 1
                if isinstance(error, OSError) or place.failures >= MAX_FAILURES:
                    self._places.remove(place)
                    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                    dropped.append(AudienceDropped(audience=place.name, reason=reason))
                else:
                    logger.warning("the %s missed %s", place.name, method, exc_info=True)
        for event in dropped:  # after the news it was about, and with one audience less
            self._report(event)
