"""A supervisor on a real store and a scripted trainer, and the news that an audience receives."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daemon.checkpoint.catalogue import Catalogue
from daemon.config.loading import resolve_config
from daemon.store.store import Store
from daemon.supervisor.children.life import LifeSettings
from daemon.supervisor.children.restart import RestartPolicy
from daemon.supervisor.home_bounds import Tidier
from daemon.supervisor.requests import StartRequest
from daemon.supervisor.supervisor import Supervisor
from tests.fork_server import HERE, fork_server
from tests.unit.daemon.supervisor.scripted_trainer import ENTRY, write_script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from daemon.home import Home
    from daemon.supervisor.clock import Clock

TIMEOUT_SECONDS = 20.0


class News:
    """An audience that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.deltas: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.operations: list[dict[str, Any]] = []
        self._fresh = asyncio.Event()

    def on_run(self, run: dict[str, Any]) -> None:
        self.runs.append(run)
        self._fresh.set()

    def on_delta(self, delta: dict[str, Any]) -> None:
        self.deltas.append(delta)
        self._fresh.set()

    def on_event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self._fresh.set()

    def on_operation(self, operation: dict[str, Any]) -> None:
        self.operations.append(operation)
        self._fresh.set()

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not condition():
                self._fresh.clear()
                await self._fresh.wait()


def start_request(**overrides: Any) -> StartRequest:
    return StartRequest(config=resolve_config(preset="tiny", overrides=overrides, environ={}), name="test")


def quick_life(**changes: Any) -> LifeSettings:
    restart = changes.pop("restart", lambda: RestartPolicy(first_seconds=0.01, longest_seconds=0.02))
    return LifeSettings(entry=ENTRY, linger_seconds=5.0, restart=restart, **changes)


@contextlib.asynccontextmanager
async def staged(
    home: Home,
    *,
    life: LifeSettings | None = None,
    script: dict[str, Any] | None = None,
    clock: Clock | None = None,
    spawning: bool = False,
) -> AsyncIterator[tuple[Supervisor, News]]:
    """`spawning`: each trainer gets a new interpreter, as in the daemon, instead of one that has loaded all."""
    write_script(home.root, **(script or {}))
    store = Store.open(home.database)
    life = life or quick_life()
    if HERE and not spawning:
        fork_server()
        life = replace(life, start_method="forkserver")
    supervisor = Supervisor(home, store, Catalogue(home.checkpoints), life=life, clock=clock)
    news = News()
    supervisor.publisher.audiences.add(news, "test")
    try:
        yield supervisor, news
    finally:
        await supervisor.ending.close(grace_seconds=5.0)
        store.close()


def tidier_at(supervisor: Supervisor, clock: Callable[[], float]) -> Tidier:
    """The tidier of a supervisor, at another time."""
    return Tidier(
        supervisor.home,
        supervisor.store,
        runs=supervisor.runs,
        rows=supervisor.rows,
        checkpoints=supervisor.checkpoints,
        publisher=supervisor.publisher,
        clock=clock,
    )
