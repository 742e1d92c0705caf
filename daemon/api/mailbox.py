"""What waits for one client of the live feed, and how long it has overflowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from daemon.supervisor.audiences.backlog import MAX_FRAMES, MAX_ROWS, Backlog, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

OVERFLOW_SECONDS = 10.0


class Mailbox:
    """Frames for one client, taken in order; putting one in never blocks.

    Metrics coalesce as in every Backlog; events and operations are never dropped: when more than `max_frames`
    wait, or rows were dropped, it overflows, and `overflowed_for` counts since then.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        max_rows: int = MAX_ROWS,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        self._monotonic = monotonic
        self._backlog = Backlog(max_rows=max_rows, max_frames=max_frames, keep_all=True)
        self._overflow_since: float | None = None
        self._news = asyncio.Event()
        self.closed_with: str | None = None

    def put(self, frame: Frame) -> None:
        """Add a frame, or merge it into one of its kind that still waits."""
        if not self._backlog.put(frame) and self._overflow_since is None:
            self._overflow_since = self._monotonic()
        self._news.set()

    def close(self, reason: str) -> None:
        """Nothing more comes; the client receives `reason` after what waits."""
        self.closed_with = reason
        self._news.set()

    def overflowed_for(self) -> float:
        """Seconds since the mailbox began to overflow; 0 when it does not."""
        return 0.0 if self._overflow_since is None else self._monotonic() - self._overflow_since

    async def take(self) -> Frame | None:
        """The next frame, once there is one; None when the mailbox is closed and empty."""
        while not self._backlog:
            if self.closed_with is not None:
                return None
            self._news.clear()
            await self._news.wait()
        frame = self._backlog.take()
        if not self._backlog:
            self._overflow_since = None
        return frame
