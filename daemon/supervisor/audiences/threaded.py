"""Audiences that may have to wait (a terminal, a pipe, a file) are called on threads of their own."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from daemon.supervisor.audiences.backlog import MAX_FRAMES, MAX_ROWS, Backlog, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.supervisor.audiences.audience import Audience, Listener

logger = logging.getLogger(__name__)

MAX_FAILURES = 10
CLOSE_SECONDS = 2.0


class Delivery:
    """Hands frames over on a thread of its own, through a bounded backlog; who puts one in never waits.

    It gives up when `deliver` cannot reach anybody (OSError), or fails `MAX_FAILURES` times in a row;
    `failure` holds the reason. A thread that waits forever keeps no process from ending.
    """

    def __init__(
        self,
        deliver: Callable[[Frame], None],
        *,
        name: str,
        finish: Callable[[], None] | None = None,
        max_rows: int = MAX_ROWS,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        """`finish` is called on the thread once everything is delivered or given up."""
        self.failure: Exception | None = None
        self._deliver = deliver
        self._finish = finish
        self._backlog = Backlog(max_rows=max_rows, max_frames=max_frames)
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Queue a frame; after the end or a failure it is dropped."""
        with self._news:
            if not self._closing and self.failure is None:
                self._backlog.put(frame)
                self._news.notify()

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Deliver what waits, as far as time allows; whether all of it was delivered."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            with self._news:
                self._backlog = Backlog()  # too late for all that
        return not self._thread.is_alive()

    def _live(self) -> None:
        self._run()
        if self._finish is not None:
            self._finish()

    def _run(self) -> None:
        failures = 0
        while (frame := self._next()) is not None:
            try:
                self._deliver(frame)
                failures = 0
            except Exception as error:
                failures += 1
                if isinstance(error, OSError) or failures >= MAX_FAILURES:
                    with self._news:
                        self.failure = error
                    return
                logger.warning("%s missed %s", self._thread.name, frame["type"], exc_info=True)

    def _next(self) -> Frame | None:
        with self._news:
            self._news.wait_for(lambda: self._backlog or self._closing)
            return self._backlog.take()


class ThreadedAudience:
    """An Audience that passes everything on to another one, on a thread of its own.

    Raises:
        Exception: what the other one failed with, at the first call after that.
    """

    def __init__(
        self,
        audience: Audience,
        *,
        name: str,
        on_gap: Callable[[int], None] | None = None,
        finish: Callable[[], None] | None = None,
    ) -> None:
        """On its thread `on_gap` is called with how much found no room; `finish` closes what is written to."""
        self._on_gap = on_gap
        self.delivery = Delivery(self._pass_on, name=name, finish=finish)
        self._audience = audience

    def on_run(self, run: dict[str, Any]) -> None:
        """As Audience.on_run."""
        self._put({"type": "run", "run": run})

    def on_delta(self, delta: dict[str, Any]) -> None:
        """As Audience.on_delta."""
        self._put({**delta, "type": "delta"})

    def on_event(self, event: dict[str, Any]) -> None:
        """As Audience.on_event."""
        self._put({"type": "event", "event": event})

    def on_operation(self, operation: dict[str, Any]) -> None:
        """As Audience.on_operation."""
        self._put({"type": "operation", "operation": operation})

    def _put(self, frame: Frame) -> None:
        if self.delivery.failure is not None:
            raise self.delivery.failure
        self.delivery.put(frame)

    def _pass_on(self, frame: Frame) -> None:
        match frame["type"]:
            case "run":
                self._audience.on_run(frame["run"])
            case "delta":
                self._audience.on_delta(frame)
            case "event":
                self._audience.on_event(frame["event"])
            case "operation":
                self._audience.on_operation(frame["operation"])
            case "gap" if self._on_gap is not None and "dropped_frames" in frame:
                self._on_gap(frame["dropped_frames"])


class ThreadedListener(ThreadedAudience):
    """The same for the foreground view; calls about the daemon itself are never refused.

    Operations are not shown.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        super().__init__(_AsAudience(listener), name="terminal", on_gap=listener.on_gap)

    def on_notice(self, notice: str) -> None:
        """As Listener.on_notice."""
        self.delivery.put({"type": "notice", "notice": notice})

    def on_listening(self, url: str, one_time_url: str) -> None:
        """As Listener.on_listening."""
        self.delivery.put({"type": "listening", "url": url, "one_time_url": one_time_url})

    def on_stopping(self) -> None:
        """As Listener.on_stopping."""
        self.delivery.put({"type": "stopping"})

    def end(self) -> None:
        """Deliver the end, and wait a moment for it to be shown."""
        self.delivery.put({"type": "ended"})
        self.delivery.close()

    def _pass_on(self, frame: Frame) -> None:
        match frame["type"]:
            case "notice":
                self._listener.on_notice(frame["notice"])
            case "listening":
                self._listener.on_listening(frame["url"], frame["one_time_url"])
            case "stopping":
                self._listener.on_stopping()
            case "ended":
                self._listener.on_ended()
            case _:
                super()._pass_on(frame)


class _AsAudience:
    """What an audience and the foreground view have in common."""

    def __init__(self, listener: Listener) -> None:
        self.on_run = listener.on_run
        self.on_delta = listener.on_delta
        self.on_event = listener.on_event

    def on_operation(self, operation: dict[str, Any]) -> None:
        """Not shown."""
