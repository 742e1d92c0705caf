"""The real daemon that the page is driven against, in a process of its own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import httpx

from daemon.home import Home
from tests.forked_program import start_program

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 60.0


class RealServer:
    """`synapsed serve` on a home of its own."""

    def __init__(self, home: Path, port: int = 0) -> None:
        arguments = ["serve", "--no-open", "--home", str(home), "--port", str(port)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self._process = start_program(
            "daemon.cli.app:run", arguments, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._output: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        url = self._wait_for("synapsed answers at ")
        self.port = int(url.rpartition(":")[2])
        self.token = Home.open(home).token()
        made = httpx.post(
            f"{url}/api/v1/one-time-urls", headers={"Authorization": f"Bearer {self.token}"}, timeout=60
        )
        self.page_url = str(made.json()["url"])

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                self._lines.put(line)
        self._lines.put(None)

    def _wait_for(self, start: str) -> str:
        while True:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
            assert line is not None, "the daemon ended: " + "".join(self._output)
            self._output.append(line)
            if line.startswith(start):
                return line.removeprefix(start).strip()

    def kill(self) -> None:
        """kill -9 of the supervisor alone: its trainer must see the pipe close, save and go."""
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)

    def stop(self) -> None:
        """End it the polite way."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
