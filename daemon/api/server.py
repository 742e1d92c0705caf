"""Uvicorn on a socket that is bound already; it logs nothing and leaves signals alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import ASGIApp

MAX_FRAME_BYTES = 64 * 1024


class QuietServer(uvicorn.Server):
    """Signals are the daemon's business; addresses, which may carry a code, are never logged."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            loop="asyncio",
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,  # it would cost a client's worth of memory and this machine's time
            server_header=False,
            timeout_graceful_shutdown=5,
            limit_concurrency=512,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    @contextlib.asynccontextmanager
    async def answering(self, sock: socket.socket) -> AsyncIterator[None]:
        """Answer on the socket within."""
        task = asyncio.ensure_future(self.serve(sockets=[sock]))
        try:
            while not self.started:
                if task.done():
                    task.result()
                    raise RuntimeError("the server ended before it began")
                await asyncio.sleep(0.005)
            yield
        finally:
            self.should_exit = True
            await task
