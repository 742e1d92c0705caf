"""A real daemon under test: the command line in a process of its own, read line by line."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.forked_program import ForkedProgram, start_program

if TYPE_CHECKING:
    from daemon.home import Home

TIMEOUT_SECONDS = 120.0


@dataclass
class DaemonProcess:
    """`synapsed <command>` on a home of its own, on a free port; everything it printed is kept."""

    process: subprocess.Popen[str] | ForkedProgram
    lines: list[str] = field(default_factory=list)
    _new: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)

    @classmethod
    def start(cls, home: Home, *arguments: str, spawning: bool = False) -> DaemonProcess:
        """Start it; returns at once. `spawning`: in an interpreter of its own, as a shell does it."""
        whole = [*arguments, "--home", str(home.root), "--port", "0", "--no-open"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "300"}
        process = start_program(
            "daemon.cli.app:run",
            whole,
            spawning=spawning,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        return cls.of(process)

    @classmethod
    def of(cls, process: subprocess.Popen[str] | ForkedProgram) -> DaemonProcess:
        """Listen to one that was started already."""
        daemon = cls(process)
        threading.Thread(target=daemon._listen, daemon=True).start()
        return daemon

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether the supervisor lives."""
        return self.process.poll() is None

    def wait_for_line(self, text: str, timeout: float = TIMEOUT_SECONDS) -> str:
        """The next line not read yet that contains `text`."""
        deadline = time.monotonic() + timeout
        while (line := self._next(deadline - time.monotonic())) is not None:
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r} came; read:\n{self.output()}")

    def wait_for_new_line(self, timeout: float) -> None:
        """Let a while pass, or less if it ends."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._next(deadline - time.monotonic()) is not None:
            pass

    def output(self) -> str:
        """All it has printed."""
        return "\n".join(self.lines)

    def interrupt(self) -> None:
        """Ctrl+C."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it the hard way."""
        self.process.kill()

    def wait(self, timeout: float = TIMEOUT_SECONDS) -> int:
        """Its exit code, with all its output read."""
        code = self.process.wait(timeout)
        self.wait_for_new_line(5.0)
        return code

    def close(self) -> None:
        """Collect the dead process."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)

    def _next(self, timeout: float) -> str | None:
        try:
            return self._new.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                self._new.put(line.rstrip("\n"))
        self._new.put(None)
