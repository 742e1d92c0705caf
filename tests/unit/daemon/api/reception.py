"""The whole application on a supervisor with a scripted trainer, and a client that may come in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx

from daemon.api.access import Access
from daemon.api.addresses import Addresses
from daemon.api.asgi_app import allowed_hosts, create_app
from daemon.api.feed import FeedTiming, Hub
from daemon.schedule.diary import Diary
from daemon.supervisor.http_api import api_context
from tests.unit.daemon.supervisor.stage import News, staged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from daemon.api.context import Context
    from daemon.api.guard import Guard
    from daemon.home import Home
    from daemon.supervisor.supervisor import Supervisor

TOKEN = "the-token-of-this-home"
PORT = 8765
URL = f"http://127.0.0.1:{PORT}"


class Reception:
    """What a test holds: the app, the client, the supervisor behind, and what was asked of the daemon."""

    def __init__(self, app: Guard, context: Context, supervisor: Supervisor, news: News) -> None:
        self.app = app
        self.context = context
        self.supervisor = supervisor
        self.news = news
        self.shutdowns = 0

    def client(self, *, url: str = URL, token: str | None = TOKEN, **more: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(base_url=url, transport=transport, headers=headers, timeout=20.0, **more)


@contextlib.asynccontextmanager
async def receiving(
    home: Home, *, script: dict[str, Any] | None = None, port: int = PORT, timing: FeedTiming | None = None
) -> AsyncIterator[Reception]:
    async with staged(home, script=script) as (supervisor, news):
        calls: list[Reception] = []

        def shutdown() -> None:
            calls[0].shutdowns += 1

        diary = Diary(
            work=supervisor.chores,
            notebook=supervisor.store,
            emit=lambda event: supervisor.publisher.publish(None, event),
            home=home.root,
        )
        hub = Hub(supervisor.runs, supervisor.rows, supervisor.store, schedule=diary, timing=timing)
        supervisor.publisher.audiences.add(hub, "live feed")
        context = api_context(
            supervisor,
            diary,
            hub,
            access=Access(TOKEN, port=port),
            addresses=Addresses(url=f"http://127.0.0.1:{port}"),
            shutdown=shutdown,
            version="0.0.1",
        )
        app = create_app(context, hosts=allowed_hosts("127.0.0.1", port))
        reception = Reception(app, context, supervisor, news)
        calls.append(reception)
        diary.start()
        try:
            yield reception
        finally:
            diary.stop()
