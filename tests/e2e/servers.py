"""The daemons the page is driven against: the scripted one in a thread, the real one in a process."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Self, TypeVar

import uvicorn

from tests.e2e.fake_api import FakeApi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.fake_daemon import FakeDaemon

T = TypeVar("T")
PATIENCE_SECONDS = 60.0


class ScriptedServer:
    """A FakeDaemon that answers in a thread of its own; `call` runs something in its event loop."""

    def __init__(self, daemon: FakeDaemon, port: int = 0) -> None:
        self.daemon = daemon
        config = uvicorn.Config(
            FakeApi(daemon).app(),
            port=port,
            log_level="critical",
            ws="websockets-sansio",
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS), "the scripted daemon did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Port it listens on."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Address of its page."""
        return f"http://127.0.0.1:{self.port}/"

    def call(self, function: Callable[[], T]) -> T:
        """Run a function where the daemon lives."""

        async def run() -> T:
            return function()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE_SECONDS)

    def stop(self) -> None:
        """End it; every socket is closed."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the scripted daemon did not end"

    def _serve(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            self._ready.set()
            await serving

        asyncio.run(serve())


class RealServer:
    """`synapsed serve` on a home of its own."""

    def __init__(self, home: Path, port: int = 0) -> None:
        command = [
            sys.executable,
            "-m",
            "daemon.cli.app",
            "serve",
            "--no-open",
            "--home",
            str(home),
            "--port",
            str(port),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.page_url = self._wait_for("Page: ")
        self.port = int(self.page_url.split(":")[2].split("/")[0])

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                self._lines.put(line)
        self._lines.put(None)

    def _wait_for(self, start: str) -> str:
        while True:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
            assert line is not None, "the daemon ended: " + "".join(self._said)
            self._said.append(line)
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
