"""A real Chromium, and a watch over what a page does in it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The last two would give every window two processes for its address bar, at twice the cost of a page. The others are
# those that playwright switches off: of two such lists a browser takes the last.
NO_FEATURES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-features=" + ",".join(NO_FEATURES),
)
# What a browser itself logs when a daemon goes away: expected while one is restarted, never otherwise.
GONE = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "Connection closed",
    "WebSocket connection to",
)


def installed() -> str | None:
    """Path of the system's Chromium; None leaves it to playwright's own."""
    return next((path for name in CHROMIUMS if (path := shutil.which(name))), None)


def wait_until(page: Page, predicate: str, arg: object = None, *, timeout: float = 30_000) -> None:
    """Until `predicate`, a function of JavaScript, holds for `arg`; at most `timeout` milliseconds.

    Playwright's own wait looks again by `eval`, which the page's policy forbids; a function that is sent whole is none.
    """
    page.evaluate(
        f"""([arg, timeout]) => new Promise((resolve, reject) => {{
            const predicate = {predicate}
            const end = performance.now() + timeout
            const look = () => {{
                if (predicate(arg)) resolve()
                else if (performance.now() > end) reject(new Error(`never so: ${{predicate}}`))
                else setTimeout(look, 50)
            }}
            look()
        }})""",
        [arg, timeout],
    )


def launch(playwright: Playwright) -> Browser:
    """A headless browser that talks to nobody by itself."""
    return playwright.chromium.launch(executable_path=installed(), args=list(FLAGS))


@dataclass
class Watch:
    """Everything a page must not do: errors, policy violations, requests to another host."""

    host: str
    errors: list[str] = field(default_factory=list)
    foreign_urls: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, page: Page, url: str) -> Watch:
        """Watch a page from before it loads."""
        watch = cls(urlsplit(url).netloc)
        page.on("console", watch._console)
        page.on("pageerror", lambda error: watch.errors.append(f"uncaught: {error}"))
        page.on("request", watch._request)
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (violation) => "
            "console.error('policy violation', violation.violatedDirective, violation.blockedURI))"
        )
        return watch

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.foreign_urls.append(request.url)

    def check(self, *, forgive: Sequence[str] = ()) -> None:
        """Assert that nothing went wrong, except console lines that hold one of `forgive`."""
        assert self.foreign_urls == []
        assert [line for line in self.errors if not any(known in line for known in forgive)] == []
