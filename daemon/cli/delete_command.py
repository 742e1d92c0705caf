"""Deleting a run: what would go is shown first, and its name must be typed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from daemon.cli.options import HomeOption, JsonOption
from daemon.cli.printing import err, say
from daemon.system.counting import counted
from daemon.system.escaping import one_line, quoted, typeable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.cli.client import DaemonClient
    from daemon.home import Home
    from daemon.supervisor.run_deletion import OfflineHome

MOST = 10_000
PART = 500


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Steer")(delete)


def delete(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id or its name.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation; for scripts.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Delete its pinned checkpoints as well.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a run permanently, with its checkpoints, memory and history; works without a daemon."""
    from daemon.cli.output import print_json, size
    from daemon.home import Home

    opened = Home.open(home, create=False)
    with _place(opened) as place:
        found = _find(place.runs(), run)
        typed = found["id"] if yes else _ask(found, place.sizes(found["id"]))
        gone = place.delete(found["id"], typed, pinned=pinned)
    if as_json:
        print_json(gone)
        return
    kept = f"; memories that {', '.join(gone['kept_for'])} still replays are kept" if gone["kept_for"] else ""
    say(
        one_line(
            f"{gone['name']} ({gone['run']}) is deleted, {size(gone['freed_bytes'])} are free again{kept}"
        )
    )


class _Place(Protocol):
    """Where runs are deleted: a daemon that is asked, or the home itself."""

    def runs(self) -> list[dict[str, Any]]:
        """All of them."""

    def sizes(self, run_id: str) -> list[int]:
        """Bytes of each checkpoint of a run."""

    def delete(self, run_id: str, typed: str, *, pinned: bool) -> dict[str, Any]:
        """Delete one; what went."""


class _Asked:
    """By way of a daemon."""

    def __init__(self, daemon: DaemonClient) -> None:
        self._daemon = daemon

    def runs(self) -> list[dict[str, Any]]:
        return list(self._daemon.items("/runs", limit=MOST))

    def sizes(self, run_id: str) -> list[int]:
        return [one["size_bytes"] for one in self._daemon.items("/checkpoints", limit=MOST, run=run_id)]

    def delete(self, run_id: str, typed: str, *, pinned: bool) -> dict[str, Any]:
        from urllib.parse import quote

        gone: dict[str, Any] = self._daemon.delete(
            f"/runs/{quote(run_id, safe='')}", confirm=typed, pinned=pinned
        )
        return gone


class _Offline:
    """In a home in which no daemon lives."""

    def __init__(self, home: OfflineHome) -> None:
        self._home = home

    def runs(self) -> list[dict[str, Any]]:
        found, cursor = self._home.rows.views(None, PART)
        while cursor is not None and len(found) < MOST:
            more, cursor = self._home.rows.views(cursor, PART)
            found += more
        return found

    def sizes(self, run_id: str) -> list[int]:
        return [info.size_bytes for info in self._home.checkpoints.catalogue.list(run_id)]

    def delete(self, run_id: str, typed: str, *, pinned: bool) -> dict[str, Any]:
        from dataclasses import asdict

        gone = self._home.delete(run_id, confirm=typed, pinned_too=pinned)
        return {name: value for name, value in asdict(gone).items() if name != "step"}


@contextlib.contextmanager
def _place(home: Home) -> Iterator[_Place]:
    """The daemon of a home, or the home itself where none lives."""
    from daemon.cli.client import DaemonClient

    if home.read_daemon_file() is not None:
        with DaemonClient.connect(home) as daemon:
            yield _Asked(daemon)
        return
    from daemon.supervisor.run_deletion import without_daemon

    with without_daemon(home) as held:
        yield _Offline(held)


def _find(runs: list[dict[str, Any]], text: str) -> dict[str, Any]:
    """The run of that id, or the only one of that name.

    Raises:
        NotFoundError: there is none.
        UsageError: several have that name.
    """
    from daemon.errors import UsageError
    from daemon.missing_run import no_run

    for run in runs:
        if run["id"] == text:
            return run
    named = [run for run in runs if run["name"] == text]
    named = named or [run for run in runs if text.strip() and typeable(run["name"]) == typeable(text)]
    if not named:
        raise no_run(text, runs)
    if len(named) > 1:
        ids = ", ".join(run["id"] for run in named)
        raise UsageError(f"{len(named)} runs are called {text}: {ids}; name one by its id")
    return named[0]


def _ask(run: dict[str, Any], sizes: list[int]) -> str:
    """Show what would go and have the name typed.

    Raises:
        UsageError: nobody is there to type it.
    """
    import sys

    from daemon.cli.output import duration, size
    from daemon.errors import UsageError

    name, asking = one_line(run["name"]), err()
    asking.say(
        f"{name} ({run['id']}): step {run['step']:,}, {duration(run['training_seconds'])} of learning, "
        f"{counted(len(sizes), 'checkpoint')} of {size(sum(sizes))}. All of it is deleted permanently."
    )
    asking.write(f"Type its name ({quoted(name)}) or its id to delete it: ")
    typed = sys.stdin.readline() if sys.stdin is not None else ""
    if not typed:
        raise UsageError("nobody confirmed; in a script: synapsed delete RUN --yes")
    return typed.strip()
