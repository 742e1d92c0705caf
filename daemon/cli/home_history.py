"""Runs, events, alarms and forgetting: from the daemon of a home, else from its database as the last one left it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from daemon.cli.output import local_time
from daemon.cli.printing import err

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.cli.client import DaemonClient
    from daemon.home import Home
    from daemon.store.paging import Page
    from daemon.store.read_pool import Reader

PAGE_LIMIT = 500
FORGETTING_ROWS = 500


class History(Protocol):
    """What the database holds, in the API's form, newest first."""

    url: str | None  # of the daemon that answers; None: the database itself is read

    def runs(self, limit: int) -> list[dict[str, Any]]:
        """Runs."""

    def run(self, run_id: str | None) -> dict[str, Any]:
        """The run with this id; else the one that learns, else the newest.

        Raises:
            NotFoundError: there is none.
        """

    def events(self, run_id: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """Events of a run or of all."""

    def alarms(self, run_id: str | None, *, active: bool, limit: int) -> list[dict[str, Any]]:
        """Alarms; the active ones, or all."""

    def forgetting(self, run_id: str | None) -> dict[str, Any]:
        """What a run has forgotten, by source."""


class Live:
    """The history as a daemon tells it."""

    def __init__(self, daemon: DaemonClient) -> None:
        self._daemon = daemon
        self.url: str | None = daemon.url

    def runs(self, limit: int) -> list[dict[str, Any]]:
        """Runs."""
        return list(self._daemon.items("/runs", limit=limit))

    def run(self, run_id: str | None) -> dict[str, Any]:
        """One of them."""
        return self._daemon.run(run_id)

    def events(self, run_id: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """Events."""
        path = f"/runs/{run_id}/events" if run_id else "/events"
        return list(self._daemon.items(path, limit=limit, kind=kind))

    def alarms(self, run_id: str | None, *, active: bool, limit: int) -> list[dict[str, Any]]:
        """Alarms."""
        return list(self._daemon.items("/alarms", limit=limit, run=run_id, active="true" if active else None))

    def forgetting(self, run_id: str | None) -> dict[str, Any]:
        """Forgetting by source."""
        run = self._daemon.run(run_id)
        answer: dict[str, Any] = self._daemon.get(f"/runs/{run['id']}/forgetting", rows=FORGETTING_ROWS)
        return answer


class Stored:
    """The history in a database that no daemon has open."""

    url: str | None = None

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def runs(self, limit: int) -> list[dict[str, Any]]:
        """Runs."""
        from daemon.supervisor.run_rows import listed

        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < limit:
            items, cursor = listed(self._reader, cursor, min(limit - len(found), PAGE_LIMIT))
            found += items
            if cursor is None:
                break
        return found

    def run(self, run_id: str | None) -> dict[str, Any]:
        """One of them."""
        from daemon.errors import NotFoundError
        from daemon.supervisor.run_rows import loaded, missing_run

        if run_id is None:
            newest = self._reader.runs(limit=1).items
            if not newest:
                raise NotFoundError("no run has been started here yet; start one: synapsed start")
            run_id = str(newest[0]["id"])
        run = loaded(self._reader, run_id)
        if run is None:
            raise missing_run(self._reader, run_id)
        return run.view()

    def events(self, run_id: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """Events."""
        if run_id is not None:
            self.run(run_id)
        return _all(
            lambda cursor, size: self._reader.events(run_id, kind=kind, cursor=cursor, limit=size), limit
        )

    def alarms(self, run_id: str | None, *, active: bool, limit: int) -> list[dict[str, Any]]:
        """Alarms."""
        from daemon.supervisor.active_alarms import view

        if run_id is not None:
            self.run(run_id)
        found = _all(
            lambda cursor, size: self._reader.alarms(run_id, active=active, cursor=cursor, limit=size), limit
        )
        return [view(row) for row in found]

    def forgetting(self, run_id: str | None) -> dict[str, Any]:
        """Forgetting by source."""
        from daemon.supervisor.live_run import forgetting_summary

        run = self.run(run_id)
        sources = self._reader.forgetting(run["id"], limit=FORGETTING_ROWS)
        return {**forgetting_summary(run["latest"]), "sources": sources}


@contextlib.contextmanager
def history_of(home: Home) -> Iterator[History]:
    """The history of a home; where no daemon runs, a line on standard error says when it was last written.

    Raises:
        NotRunningError: no daemon runs, and none has left a database.
        StoreError: the database cannot be read.
    """
    from daemon.cli.client import DaemonClient
    from daemon.errors import NotFoundError

    if home.read_daemon_file() is not None:
        with DaemonClient.connect(home) as daemon:
            yield Live(daemon)
        return
    from daemon.store.read_only import opened_to_read

    with contextlib.ExitStack() as stack:
        try:
            reader, written = stack.enter_context(opened_to_read(home.database))
        except NotFoundError:
            DaemonClient.connect(home)  # raises: there is nothing to read
            raise
        when = f"last written {local_time(written)}" if written else "in which nothing is written yet"
        err().say(f"synapsed: no daemon runs in {home.root}; read from its database, {when}")
        yield Stored(reader)


def state_of(history: History, run: dict[str, Any]) -> str:
    """The state of a run as text; without a daemon one that had not ended is only known as it was."""
    from daemon.trainer_protocol import RunState

    state = RunState(run["state"])
    return str(state) if history.url is not None or state.ended else f"last known: {state}"


def _all(page: Callable[[str | None, int], Page], limit: int) -> list[dict[str, Any]]:
    """The first `limit` items of a list, over as many pages as it takes."""
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        part = page(cursor, min(limit - len(found), PAGE_LIMIT))
        found += part.items
        cursor = part.next
        if cursor is None:
            break
    return found
