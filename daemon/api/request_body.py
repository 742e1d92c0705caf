"""Bodies are read whole before they are used, within a limit of bytes and of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from daemon.api.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A mebibyte of text may take six times that as escaped JSON.
LARGE_BYTES = 6 * 1024 * 1024 + 64 * 1024
SMALL_BYTES = 256 * 1024
PATIENCE_SECONDS = 30.0
BODY = "synapsed.body"


class BodyLimit:
    """Buffers the body of an unsafe request under `scope["synapsed.body"]` and hands it on."""

    def __init__(self, app: ASGIApp, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.app = app
        self._patience_seconds = patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        limit = LARGE_BYTES if scope["path"].endswith(("/experience", "/forget")) else SMALL_BYTES
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        refusal: tuple[int, str] | None = None
        body: bytes | None = b""
        too_large = 413, f"the body is larger than {limit // 1024} KiB"
        if not declared.isdigit() or int(declared) > limit:
            refusal = too_large
        else:
            try:
                body = await asyncio.wait_for(_read(receive, limit), self._patience_seconds)
            except TimeoutError:
                refusal = 408, f"the body did not come within {self._patience_seconds:.0f} s"
            except ClientDisconnect:
                return
            if refusal is None and body is None:
                refusal = too_large
        if refusal is not None:
            problem = Problem(
                *refusal,
                instance=scope["path"],
                request_id=str(scope.get("state", {}).get("request_id", "")),
                headers={"Connection": "close"},
            )
            await problem(scope, receive, send)
            return
        scope[BODY] = body
        delivered = False

        async def receive_body() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_body, send)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when it is larger than `limit` bytes.

    Raises:
        ClientDisconnect: the client left before its end.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
