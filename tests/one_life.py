"""A whole session of a trainer in this process, from its order to its goodbye."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from typing import TYPE_CHECKING, Any

from daemon.trainer.link.pipe import Pipe
from daemon.trainer.link.reporting import Reporter
from daemon.trainer.process import end_by_sigterm
from daemon.trainer.session import learn
from daemon.trainer_protocol import Goodbye, Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.trainer_protocol import TrainerOrder


class OneLife:
    """What a session sent.

    Args:
        order: what it is to do.
        begin: called with this before it lives, to send commands or to prepare what cuts it short.
    """

    def __init__(self, order: TrainerOrder, begin: Callable[[OneLife], None] = lambda _: None) -> None:
        self.ours, theirs = multiprocessing.Pipe()
        self.pipe = Pipe(theirs)
        self.events: list[dict[str, Any]] = []
        self.outcomes: dict[str, Outcome] = {}
        reporter = Reporter(self.pipe)
        before = signal.getsignal(signal.SIGTERM)
        end_by_sigterm(self.pipe)
        begin(self)
        try:
            with contextlib.ExitStack() as stack:
                self.goodbye: Goodbye = learn(order, self.pipe, reporter, stack)
        finally:
            signal.signal(signal.SIGTERM, before)
            reporter.close()
        with contextlib.suppress(OSError):  # it was closed by the test
            self._receive()
            self.ours.close()

    def kinds(self) -> list[str]:
        """Kinds of its events."""
        return [event["kind"] for event in self.events]

    def _receive(self) -> None:
        while self.ours.poll():
            message = self.ours.recv()
            if isinstance(message, Report):
                self.events += message.events
            elif isinstance(message, Outcome):
                self.outcomes[message.id] = message
