"""What every route may use, carried by the app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from daemon.api.access import Access
from daemon.api.feed import Hub
from daemon.home import Home
from daemon.public_url import PublicUrl
from daemon.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from daemon.schedule.diary import Diary
    from daemon.supervisor.orphaned_runs import OrphanedRuns


@dataclass(frozen=True, kw_only=True)
class Context:
    """The rooms behind the API.

    Attributes:
        orphaned: runs that a daemon which died left open; None: there was none.
        shutdown: asks the daemon to save, stop and exit.
        url: where the daemon answers, without a slash at the end.
        remote_url: where other machines reach it, if that is another address.
        public: where a reverse proxy answers for it.
    """

    home: Home
    supervisor: Supervisor
    hub: Hub
    access: Access
    diary: Diary | None
    shutdown: Callable[[], None]
    url: str
    version: str
    remote_url: str | None = None
    orphaned: OrphanedRuns | None = None
    public: PublicUrl | None = None


def context_of(connection: HTTPConnection) -> Context:
    """The context of the app that serves this connection."""
    return cast("Context", connection.app.state.context)


ContextOf = Annotated[Context, Depends(context_of)]
