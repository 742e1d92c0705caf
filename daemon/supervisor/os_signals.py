"""Ctrl+C, SIGTERM and a closed terminal, as two requests: end, and end now."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
# timeout(1), sudo and other runners forward what the process group has received already: one request, received twice.
ECHO_SECONDS = 0.25


@contextlib.contextmanager
def ending(on_first: Callable[[str], None], on_second: Callable[[], None]) -> Iterator[None]:
    """Within it the first signal calls `on_first` with its name, further ones `on_second`, both in the loop.

    Further ones within `ECHO_SECONDS` of the first are its echo and call nothing; nor does a further SIGHUP: of a
    closed terminal kernel, shell and service manager each notify in their own time, and nobody uses it to ask twice.

    Outside the main thread no signal arrives, and none is asked for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    first_at: float | None = None

    def receive(number: int, at: float) -> None:
        nonlocal first_at
        if first_at is None:
            first_at = at
            on_first(signal.Signals(number).name)
        elif at - first_at >= ECHO_SECONDS and signal.Signals(number).name != "SIGHUP":
            on_second()

    def receive_later(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(receive, number, time.monotonic())

    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        # nohup has SIGHUP ignored, and wants it to stay so.
        if before[number] is not signal.SIG_IGN or number != getattr(signal, "SIGHUP", None):
            signal.signal(number, receive_later)  # a loop's own handlers do not exist on Windows
    # Windows does not interrupt a waiting loop for a signal: there the loop must wake up by itself.
    ticker = asyncio.ensure_future(_tick()) if sys.platform == "win32" else None
    try:
        yield
    finally:
        if ticker is not None:
            ticker.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


async def _tick() -> None:
    while True:
        await asyncio.sleep(0.25)
