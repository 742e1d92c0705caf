"""Ctrl+C, SIGTERM and a closed terminal, as two wishes: end, and end now."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@contextlib.contextmanager
def ending(on_first: Callable[[str], None], on_second: Callable[[], None]) -> Iterator[None]:
    """Within it the first signal calls `on_first` with its name, further ones `on_second`, both in the loop.

    Outside the main thread no signal arrives, and none is asked for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    heard = False

    def hear(number: int) -> None:
        nonlocal heard
        first, heard = not heard, True
        if first:
            on_first(signal.Signals(number).name)
        else:
            on_second()

    def hear_later(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(hear, number)

    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        # nohup has SIGHUP ignored, and wants it to stay so.
        if before[number] is not signal.SIG_IGN or number != getattr(signal, "SIGHUP", None):
            signal.signal(number, hear_later)  # a loop's own handlers do not exist on Windows
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
