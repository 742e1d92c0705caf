"""Who is notified of what happens: the live feed, the log, the view in a terminal.

The dispatcher beside this file isolates them from each other; those that may have to wait are called on a thread of
their own (`ThreadedAudience`).
"""

from __future__ import annotations

from typing import Any, Protocol


class Audience(Protocol):
    """Called in the event loop, at once and in order; must return at once."""

    def on_run(self, run: dict[str, Any]) -> None:
        """A run was created, or its state or totals changed (the Run of the API, without config)."""

    def on_delta(self, delta: dict[str, Any]) -> None:
        """Metrics of the last tenth of a second, columnar."""

    def on_event(self, event: dict[str, Any]) -> None:
        """A fact, numbered: the Event of the API."""

    def on_operation(self, operation: dict[str, Any]) -> None:
        """An operation changed its state."""


class Listener(Protocol):
    """The foreground view of a daemon; called on a thread of its own. Raises OSError once nobody reads it."""

    def on_notice(self, notice: str) -> None:
        """Something about the home that a person should know, in a line."""

    def on_listening(self, url: str, one_time_url: str) -> None:
        """The daemon answers at `url`; `one_time_url` lets one browser in."""

    def on_run(self, run: dict[str, Any]) -> None:
        """As Audience.on_run."""

    def on_delta(self, delta: dict[str, Any]) -> None:
        """As Audience.on_delta."""

    def on_event(self, event: dict[str, Any]) -> None:
        """As Audience.on_event."""

    def on_stopping(self) -> None:
        """The daemon was asked to end and saves a last checkpoint."""

    def on_gap(self, dropped: int) -> None:
        """Calls were dropped here because too many waited."""

    def on_ended(self) -> None:
        """The daemon has ended."""
