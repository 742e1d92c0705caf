"""The outermost layer, pure ASGI: request ids, Host, Origin, token, headers, and a catch for every error.

Order: Host, Origin (websocket and unsafe methods), token. No byte of the body is read before all have passed.
"""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from daemon.api.problems import Problem
from daemon.api.unknown_host import UNKNOWN_HOST, unknown_host, wants_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from daemon.api.access import Access
    from daemon.public_url import PublicUrl

logger = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_ALL = frozenset({("GET", "/api/v1/health"), ("HEAD", "/api/v1/health")})
# These look at the cookie themselves: without one they show the way in.
DOORS = frozenset({("GET", "/"), ("HEAD", "/"), ("POST", "/login")})
# A tunnel has a port of its own on the other side. Names that every machine has for itself alone cannot be bound
# to another's address, so the port of one need not be ours; an Origin must still be the very same place.
LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.ASCII)
REQUEST_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}", re.ASCII)

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' {sockets}; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: with that a browser sends `Origin: null` from the sign-in form, as a foreign frame would.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# A browser ignores it over plain HTTP from another machine, and fills its console with that.
TRUSTED_ONLY = (b"cross-origin-opener-policy", b"same-origin")


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused."""

    status: int
    detail: str


class Guard:
    """Wraps an ASGI app; what it lets through asks an allowed host, of an allowed origin, with the token.

    Args:
        app: what is guarded.
        access: who may come in.
        hosts: exact values of the Host header, lower case, port included.
        public: address of a reverse proxy in front of it.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, hosts: Iterable[str], public: PublicUrl | None = None
    ) -> None:
        self.app = app
        self._access = access
        local = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(f"http://{host}" for host in local) | ({public.origin} if public else set())
        self._hosts = local | (public.hosts if public else frozenset())
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        asked_id = headers.get("x-request-id", [""])[0]
        request_id = asked_id if REQUEST_ID.fullmatch(asked_id) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        if self._public and self._public.prefix:
            if scope["type"] == "http" and scope["path"] == self._public.prefix:
                # Relative, so that it holds whatever the proxy did to the path.
                target = f"{self._public.prefix.rpartition('/')[2]}/"
                await RedirectResponse(target, 308)(scope, receive, send)
                return
            scope = below(scope, self._public.prefix)
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                started = True
                message["headers"] = self._with_headers(
                    scope, headers, message.get("headers", []), request_id
                )
            elif message["type"] == "websocket.accept":
                started = True
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await self._refuse(refusal, scope, request_id, receive, send_guarded)
            return
        try:
            await self.app(scope, receive, send_guarded)
        except Exception:  # the net: nothing falls through to the server
            logger.exception("request %s: %s %s failed", request_id, scope.get("method", "WS"), scope["path"])
            if not started:
                failure = Refusal(
                    500, "something went wrong inside; the daemon's log has it under this request_id"
                )
                await self._refuse(failure, scope, request_id, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> Refusal | None:
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._answers_for(hosts[0].lower()):
            return Refusal(400, UNKNOWN_HOST)
        websocket = scope["type"] == "websocket"
        if websocket or scope["method"] not in SAFE_METHODS:
            origins = headers.get("origin", [])
            same = f"http://{hosts[0].lower()}" if LOOPBACK.fullmatch(hosts[0].lower()) else None
            if len(origins) > 1 or (origins and origins[0].lower() not in {*self._origins, same}):
                return Refusal(403, "requests from another origin are refused")
            if headers.get("sec-fetch-site", [""])[0].lower() == "cross-site":
                return Refusal(403, "requests from another site are refused")
        place = ("GET" if websocket else scope["method"], scope["path"])
        if not websocket and (place in OPEN_TO_ALL or place in DOORS):
            return None
        authorization, cookies = headers.get("authorization", []), headers.get("cookie", [])
        if len(authorization) > 1 or not self._access.admits(
            authorization=authorization[0] if authorization else None, cookies="; ".join(cookies)
        ):
            return Refusal(
                401,
                "the home's token is needed: Authorization: Bearer <token>, "
                "or open the address that synapsed printed",
            )
        return None

    def _answers_for(self, host: str) -> bool:
        return host in self._hosts or LOOPBACK.fullmatch(host) is not None

    def _is_trustworthy(self, host: str) -> bool:
        """Whether that name is a secure context for a browser: on this machine, or by https.

        A proxy may ask by a loopback name; then the public address is the one that counts.
        """
        if self._public is not None and (not self._public.secure or host in self._public.hosts):
            return self._public.secure
        return LOOPBACK.fullmatch(host) is not None

    async def _refuse(
        self, refusal: Refusal, scope: Scope, request_id: str, receive: Receive, send: Send
    ) -> None:
        if refusal.detail == UNKNOWN_HOST and scope["type"] == "http" and wants_page(_headers(scope)):
            await unknown_host(_headers(scope).get("host", [""])[0])(scope, receive, send)
            return
        headers = {"WWW-Authenticate": 'Bearer realm="synapsed"'} if refusal.status == 401 else {}
        problem = Problem(
            refusal.status, refusal.detail, instance=scope["path"], request_id=request_id, headers=headers
        )
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
            return
        await problem(scope, receive, send)

    def _with_headers(
        self,
        scope: Scope,
        asked: dict[str, list[str]],
        answered: Iterable[tuple[bytes, bytes]],
        request_id: str,
    ) -> list[tuple[bytes, bytes]]:
        headers = [self._located(name, value) for name, value in answered]
        present = {name.lower() for name, _ in headers}
        host = asked.get("host", [""])[0].lower()
        # Older browsers do not count a websocket of the same origin as 'self'.
        sockets = f"ws://{host}" if self._answers_for(host) else ""
        if self._public is not None:
            sockets += f" {self._public.sockets}"
        policy = CONTENT_SECURITY_POLICY.format(sockets=sockets).encode("latin-1")
        defaults: list[tuple[bytes, bytes]] = [
            *HEADERS,
            (b"content-security-policy", policy),
            (b"x-request-id", request_id.encode()),
        ]
        if self._is_trustworthy(host):
            defaults.append(TRUSTED_ONLY)
        if scope["path"].startswith("/api/") or scope["path"] == "/metrics":
            defaults.append((b"cache-control", b"no-store"))
        headers.extend((name, value) for name, value in defaults if name not in present)
        return headers

    def _located(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        """A header of an answer; where it leads on this daemon stands below the public prefix."""
        own = name.lower() == b"location" and value.startswith(b"/")
        return name, (self._public.prefix.encode() + value if own and self._public else value)


def below(scope: Scope, prefix: str) -> Scope:
    """The same request without the prefix; a proxy may have taken it off or left it on.

    >>> below({"path": "/brain/docs", "raw_path": b"/brain/docs"}, "/brain")["path"]
    '/docs'
    >>> below({"path": "/brainy"}, "/brain")["path"]
    '/brainy'
    """
    path = scope["path"]
    if not path.startswith(f"{prefix}/"):
        return scope
    raw = scope.get("raw_path") or b""
    return {**scope, "path": path[len(prefix) :], "raw_path": raw.removeprefix(prefix.encode())}


def _headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    pairs: Any = scope.get("headers", [])
    for name, value in pairs:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers
