"""The trainer's end of the pipe: commands come in on a thread, messages go out under a lock."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from daemon.protocol import Command


class Pipe:
    """Commands in order of arrival, and whether the supervisor is still there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._send_lock = threading.Lock()
        self._news = threading.Event()
        self.orphaned = threading.Event()
        threading.Thread(target=self._receive, name="pipe-reader", daemon=True).start()

    def next_command(self) -> Command | None:
        """The oldest command not yet taken, or None at once."""
        try:
            return self._commands.get_nowait()
        except queue.Empty:
            return None

    def wait_for_news(self, timeout_seconds: float) -> None:
        """Sleep until a command comes, the supervisor goes, or the time is over."""
        if self._news.wait(timeout_seconds):
            self._news.clear()

    def say(self, message: Any) -> None:
        """Send a message; once the supervisor is gone it goes nowhere."""
        if self.orphaned.is_set():
            return
        try:
            with self._send_lock:
                self._connection.send(message)
        except (OSError, EOFError):
            self._lose()

    def _receive(self) -> None:
        try:
            while True:
                self._commands.put(self._connection.recv())
                self._news.set()
        except (OSError, EOFError):
            self._lose()

    def _lose(self) -> None:
        self.orphaned.set()
        self._news.set()
