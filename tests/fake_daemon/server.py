"""The scripted daemon on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Self, TypeVar

import uvicorn

from tests.fake_daemon.api import FakeApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.home import Home
    from tests.fake_daemon.world import FakeDaemon

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
        self.daemon.url = self.url.rstrip("/")
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


@contextlib.contextmanager
def answering_in(home: Home, daemon: FakeDaemon) -> Iterator[FakeDaemon]:
    """Within it the scripted daemon is the one of a home; none of its answers may be one the real one never gives."""
    with ScriptedServer(daemon) as server, home.lock():
        home.write_daemon_file(port=server.port, url=daemon.url)
        daemon.on_shutdown = home.remove_daemon_file
        yield daemon
    assert daemon.drift == []
