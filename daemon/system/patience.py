"""Timeouts that count only the time in which this process itself ran.

A process that was frozen (Ctrl+Z, SIGSTOP, a paused container, a suspended machine) wakes up to clocks that have
run on without it. Whoever it was waiting for has had no more time than it had itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_SLICE_SECONDS = 1.0
SLICES = 20
NOTHING_SECONDS = 1e-6


def slices(seconds: float, monotonic: Callable[[], float] = time.monotonic) -> Iterator[float]:
    """Short waits that make up `seconds`; one that took much longer than it should counts for twice its length.

    >>> clock = [0.0]
    >>> def wait(seconds): clock[0] += seconds
    >>> for number, part in enumerate(slices(4.0, lambda: clock[0])):
    ...     wait(600.0 if number == 3 else part)
    >>> clock[0]
    603.6
    """
    longest, left = min(LONGEST_SLICE_SECONDS, seconds / SLICES), seconds
    while left > NOTHING_SECONDS:
        part = min(left, longest)
        began = monotonic()
        yield part
        left -= min(monotonic() - began, 2 * part)


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set within `seconds`."""
    for part in slices(seconds):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), part)
            return True
    return event.is_set()


class Timer:
    """Calls back once, in the event loop, after `seconds`."""

    def __init__(
        self,
        seconds: float,
        callback: Callable[[], object],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._slices = slices(seconds, monotonic)
        self._callback = callback
        self._next()

    def cancel(self) -> None:
        """Do not call back any more."""
        self._handle.cancel()

    def _next(self) -> None:
        part = next(self._slices, None)
        if part is None:
            self._callback()
        else:
            self._handle = self._loop.call_later(part, self._next)
