"""A stream with nothing to read: after a while the run sleeps if it has learned enough for it, then waits.

Waiting is no pause: orders are obeyed, the supervisor hears of it every second, and learning goes on by itself
when text comes. How long nothing came is a matter of the clock, so the sleep that follows from it is journaled.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from daemon.protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.trainer.loop import Loop

LOOK_SECONDS = 1.0  # as often as followed sources look; also the heartbeat
READ = "everything is read; it goes on when there is more"


class Idling:
    """What the run does while there is nothing to read.

    Args:
        after_seconds: so long it only looks; then it sleeps, and waits.
    """

    def __init__(self, after_seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._after_seconds = after_seconds
        self._monotonic = monotonic
        self._since: float | None = None

    @property
    def waiting(self) -> bool:
        """Nothing has come for so long that the run stands by."""
        return self._since is not None and self._monotonic() - self._since >= self._after_seconds

    def rest(self, loop: Loop) -> None:
        """Nothing is there to read: a second at most goes by, or an order comes."""
        if self._since is None:
            self._since = self._monotonic()
        if self.waiting:
            if loop.parts.pending and _catch_up(loop):
                return
            if loop.parts.sleeping.idle(loop):
                return
            if loop.run_state is not RunState.WAITING:
                loop.enter(RunState.WAITING, READ)
        loop.alive()
        left = self._since + self._after_seconds - self._monotonic()
        loop.parts.pipe.wait_for_news(left if 0 < left < LOOK_SECONDS else LOOK_SECONDS)

    def end(self, loop: Loop) -> None:
        """There is something to read."""
        self._since = None
        if loop.run_state is RunState.WAITING:
            loop.enter(RunState.RUNNING, "there is more to read")


def _catch_up(loop: Loop) -> bool:
    """Let the next of what was acknowledged take effect: its step was learned from text that is gone.

    False while it has to wait for the disk.
    """
    pending = loop.parts.pending
    entry = next((entry for entry in pending if entry.kind != "roll_back"), None)
    if entry is None:  # what was rolled back was not learned this time
        if truncated := loop.journal.truncate_after(loop.step):
            pending.clear()
        return truncated
    if (brought := loop.journal.bring_forward(entry, loop.step)) is None:
        return False
    loop.apply(brought)
    pending.remove(entry)
    return True
