"""The trainer's end of the pipe: commands come in on a thread, messages go out under a lock."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from daemon.trainer_protocol import Command


class Pipe:
    """Commands in order of arrival, and whether the supervisor is still there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._send_lock = threading.Lock()
        self._news = threading.Event()
        self.orphaned = threading.Event()
        self.terminated = False  # set by a signal handler, which may not wait for a lock
        self._stops_waiting = 0
        self._count_lock = threading.Lock()
        threading.Thread(target=self._receive, name="pipe-reader", daemon=True).start()

    @property
    def ending(self) -> bool:
        """The run is to end: a stop waits, a signal came, or the supervisor is gone; long work should stop."""
        return self._stops_waiting > 0 or self.terminated or self.orphaned.is_set()

    def next_command(self) -> Command | None:
        """The oldest command not yet taken, or None at once."""
        try:
            command = self._commands.get_nowait()
        except queue.Empty:
            return None
        with self._count_lock:
            self._stops_waiting -= command.action == "stop"
        return command

    def wait_for_news(self, timeout_seconds: float) -> None:
        """Sleep until a command comes, the supervisor goes, or the time is over."""
        if self._news.wait(timeout_seconds):
            self._news.clear()

    def send(self, message: Any) -> None:
        """Send a message; dropped once the supervisor is gone."""
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
                command = self._connection.recv()
                with self._count_lock:
                    self._stops_waiting += command.action == "stop"
                self._commands.put(command)
                self._news.set()
        except (OSError, EOFError):
            self._lose()

    def _lose(self) -> None:
        self.orphaned.set()
        self._news.set()
