"""Who has access: by the home's token, the cookie derived from it, one-time codes for that cookie."""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CODE_LIFE_SECONDS = 600.0  # long enough to open it, too short to be worth finding in a scrollback
COOKIE_LIFE_SECONDS = 400 * 24 * 3600  # the longest a browser keeps one
MAX_CODES = 100


class Access:
    """Checks what a client shows; every comparison takes constant time.

    Args:
        token: the home's secret. The cookie follows from it, so a browser stays in over a restart.
        port: cookies are shared by all ports of a host, so each port has its own name for its own.
        monotonic: seconds that only grow.
    """

    def __init__(self, token: str, *, port: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"synapsed page cookie v1", sha256).hexdigest()
        self.cookie_name = f"synapsed-{port}"
        self._monotonic = monotonic
        self._codes: dict[str, float] = {}  # hash of a code → when it expires

    def issue_code(self) -> str:
        """A code that authorises one browser, once."""
        now = self._monotonic()
        self._codes = {code: expiry for code, expiry in self._codes.items() if expiry > now}
        while len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(24)
        self._codes[_digest(code)] = now + CODE_LIFE_SECONDS
        return code

    def redeem_code(self, code: str) -> bool:
        """True once for a code that was issued and has not expired."""
        expiry = self._codes.pop(_digest(code), None)
        return expiry is not None and expiry > self._monotonic()

    def knows_token(self, token: str) -> bool:
        """Whether it is the home's token."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def admits(self, *, authorization: str | None, cookies: str | None) -> bool:
        """Whether a request with these headers is authorised."""
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            return scheme.lower() == "bearer" and self.knows_token(token.strip())
        return self.has_cookie(cookies)

    def has_cookie(self, cookies: str | None) -> bool:
        """Whether the Cookie header carries this daemon's cookie."""
        if not cookies:
            return False
        try:
            morsel = SimpleCookie(cookies).get(self.cookie_name)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self._cookie.encode())

    def set_cookie(self, *, path: str = "/", secure: bool = False) -> str:
        """The Set-Cookie header that authorises a browser from now on.

        Args:
            path: below which it is sent.
            secure: it is never sent in the clear.
        """
        cookie = f"{self.cookie_name}={self._cookie}; Path={path}; HttpOnly; SameSite=Strict"
        return f"{cookie}; Max-Age={COOKIE_LIFE_SECONDS}" + ("; Secure" if secure else "")


def _digest(code: str) -> str:
    # Looked up by hash: the time of the look-up reveals nothing about a code.
    return sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
