"""`Idempotency-Key` on POST: the same key and body gives the first answer again, another body is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from daemon.api.problems import Problem
from daemon.api.request_body import BODY
from daemon.api.wire_json import Json
from daemon.orders import QUESTIONS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)


class Answers(Protocol):
    """Where answers are kept."""

    def recall_answer(self, key: str, endpoint: str) -> dict[str, Any] | None:
        """`body_hash`, `status` and `response` of the first request with the key; None without one."""

    def remember_answer(self, key: str, endpoint: str, *, body_hash: str, status: int, response: Any) -> None:
        """Keep an answer."""


@dataclass
class _First:
    """A request that is being answered, for those that come with its key meanwhile."""

    body_hash: str
    done: asyncio.Event = field(default_factory=asyncio.Event)
    answer: tuple[int, Any] | None = None


class Idempotency:
    """Middleware between the body's buffer and the app.

    Failures of the daemon's own (5xx) are not kept, and neither is what a brain was asked: its answer may hold what a
    person wants forgotten later, and asking again changes nothing.
    """

    def __init__(self, app: ASGIApp, *, answers: Answers) -> None:
        self.app = app
        self._answers = answers
        self._under_way: dict[tuple[str, str], _First] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        key = _key_of(scope)
        if key is None:
            await self.app(scope, receive, send)
            return
        if not KEY.fullmatch(key):
            await self._refuse(
                scope, receive, send, 400, "Idempotency-Key: 1 to 200 printable ASCII characters"
            )
            return
        endpoint = f"POST {scope['path']}"
        body_hash = hashlib.sha256(scope.get(BODY, b"")).hexdigest()
        place = (key, endpoint)
        first = self._under_way.get(place)
        if first is None:
            first = self._under_way[place] = _First(body_hash)
            try:
                stored = await asyncio.to_thread(self._answers.recall_answer, key, endpoint)
                if stored is None:
                    await self._answer_first(first, scope, receive, send, place)
                    return
                first.body_hash = stored["body_hash"]
                first.answer = (stored["status"], stored["response"])
            finally:
                first.done.set()
                self._under_way.pop(place, None)
        await first.done.wait()
        if first.body_hash != body_hash:
            detail = "this Idempotency-Key was used with another body; take a new key"
            await self._refuse(scope, receive, send, 422, detail)
        elif first.answer is None:
            await self._refuse(scope, receive, send, 409, "the first request with this key failed; try again")
        else:
            status, response = first.answer
            again = Json(response, status_code=status, headers={"Idempotent-Replayed": "true"})
            if status >= 400:
                again.headers["content-type"] = Problem.media_type
            await again(scope, receive, send)

    async def _answer_first(
        self, first: _First, scope: Scope, receive: Receive, send: Send, place: tuple[str, str]
    ) -> None:
        status, chunks = 0, bytearray()

        async def send_kept(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                chunks.extend(message.get("body", b""))
                if not message.get("more_body", False) and 200 <= status < 500:
                    response = json.loads(chunks) if chunks else None
                    first.answer = (status, response)
                    if scope["path"].rpartition("/")[2] not in QUESTIONS:
                        self._answers.remember_answer(
                            *place, body_hash=first.body_hash, status=status, response=response
                        )
            await send(message)

        await self.app(scope, receive, send_kept)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
        request_id = str(scope.get("state", {}).get("request_id", ""))
        problem = Problem(status, detail, instance=scope["path"], request_id=request_id)
        await problem(scope, receive, send)


def _key_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/api/"):
        return None
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            return str(value.decode("latin-1"))
    return None
