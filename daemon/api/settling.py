"""Right after its start a daemon may still be ending the runs of one that died: until then, what needs runs waits.

Reading waits until every run is shown as it is (an instant); changing waits until no earlier trainer holds one.
A request that would have to wait longer gets a 503 with a Retry-After.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.api.problems import Problem
from daemon.system.patience import happens

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from daemon.supervisor.orphaned_runs import OrphanedRuns

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PATIENCE_SECONDS = 10.0
AGAIN_SECONDS = 5
NEED_RUNS = ("/api/v1/", "/metrics")
NEED_NONE = frozenset({"/api/v1/health", "/api/v1/shutdown", "/api/v1/one-time-urls"})
CLOSE_TRY_AGAIN_LATER = 1013


class Settling:
    """Wraps an ASGI app; `orphaned` None lets everything pass."""

    def __init__(self, app: ASGIApp, orphaned: OrphanedRuns | None) -> None:
        self.app = app
        self._orphaned = orphaned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._orphaned is None or self._orphaned.done.is_set() or not _needs_runs(scope):
            await self.app(scope, receive, send)
            return
        looks = scope["type"] == "websocket" or scope["method"] in SAFE_METHODS
        if await happens(self._orphaned.seen if looks else self._orphaned.done, PATIENCE_SECONDS):
            await self.app(scope, receive, send)
            return
        why = (
            "the daemon has just started and waits for a trainer of the one before it, which still saves; "
            f"try again in {AGAIN_SECONDS} s"
        )
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": CLOSE_TRY_AGAIN_LATER, "reason": why[:120]})
            return
        problem = Problem(
            503,
            why,
            instance=scope["path"],
            request_id=str(scope.get("state", {}).get("request_id", "")),
            headers={"Retry-After": str(AGAIN_SECONDS)},
        )
        await problem(scope, receive, send)


def _needs_runs(scope: Scope) -> bool:
    if scope["type"] not in ("http", "websocket"):
        return False
    path: str = scope["path"]
    return path.startswith(NEED_RUNS) and path not in NEED_NONE
