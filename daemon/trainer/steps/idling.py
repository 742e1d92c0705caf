"""A stream with nothing to read: after a while the run sleeps if it has learned enough for it, then waits.

Waiting is no pause: orders are obeyed, the supervisor gets a sign of life every second, and learning continues by
itself when text comes. How long nothing came is a matter of the clock, so the sleep that follows from it is journaled.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.trainer.ports import Life, News

LOOK_SECONDS = 1.0  # as often as followed sources look; also the heartbeat
READ = "everything is read; it continues when there is more"


class Decisions(Protocol):
    """What idling may let take effect."""

    def catch_up(self) -> bool:
        """Apply the next entry acknowledged for a step that never comes; returns whether there was one."""

    def decide(self, kind: str, payload: Mapping[str, Any]) -> object | None:
        """Journal and apply a decision; None when it is postponed."""


class Idling:
    """What the run does while there is nothing to read.

    Args:
        after_seconds: so long it only looks; then it sleeps, and waits.
        sleep_when_idle: the order to sleep that is due now, if one is.
        decisions: take effect.
        life: its state.
        news: is waited for.
    """

    def __init__(
        self,
        after_seconds: float,
        *,
        sleep_when_idle: Callable[[], Mapping[str, Any] | None],
        decisions: Decisions,
        life: Life,
        news: News,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_seconds = after_seconds
        self._sleep_when_idle = sleep_when_idle
        self._decisions = decisions
        self._life = life
        self._news = news
        self._monotonic = monotonic
        self._since: float | None = None

    @property
    def waiting(self) -> bool:
        """Nothing has come for so long that the run waits."""
        return self._since is not None and self._monotonic() - self._since >= self._after_seconds

    def rest(self) -> None:
        """Nothing to read: wait a second at most, or until an order comes."""
        if self._since is None:
            self._since = self._monotonic()
        if self.waiting:
            if self._decisions.catch_up() or self._fell_asleep():
                return
            if self._life.state is not RunState.WAITING:
                self._life.enter(RunState.WAITING, READ)
        self._life.alive()
        left = self._since + self._after_seconds - self._monotonic()
        self._news.wait_for_news(left if 0 < left < LOOK_SECONDS else LOOK_SECONDS)

    def end(self) -> None:
        """There is something to read."""
        self._since = None
        if self._life.state is RunState.WAITING:
            self._life.enter(RunState.RUNNING, "there is more to read")

    def _fell_asleep(self) -> bool:
        """Whether a sleep was due, and could be journaled."""
        order = self._sleep_when_idle()
        return order is not None and self._decisions.decide("sleep", order) is not None
