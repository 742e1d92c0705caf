"""Deleting a run: what would go is told first, and its name must be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.options import HomeOption, JsonOption
from daemon.cli.printing import err, say
from daemon.cli.steering import connect
from daemon.escaping import one_line

if TYPE_CHECKING:
    from daemon.cli.client import DaemonClient

MOST = 10_000


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Steer")(delete)


def delete(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id or its name.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Delete its pinned checkpoints as well.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a run for good: its checkpoints, what it remembers, its history."""
    from urllib.parse import quote

    from daemon.cli.output import print_json, size

    with connect(home) as daemon:
        found = _find(daemon, run)
        typed = found["id"] if yes else _ask(daemon, found)
        gone = daemon.delete(f"/runs/{quote(found['id'], safe='')}", confirm=typed, pinned=pinned)
    if as_json:
        print_json(gone)
        return
    kept = f"; memories that {', '.join(gone['kept_for'])} still replays stay" if gone["kept_for"] else ""
    say(
        one_line(
            f"{gone['name']} ({gone['run']}) is deleted, {size(gone['freed_bytes'])} are free again{kept}"
        )
    )


def _find(daemon: DaemonClient, text: str) -> dict[str, Any]:
    """The run of that id, or the only one of that name.

    Raises:
        NotFoundError: there is none.
        UsageError: several have that name.
    """
    from daemon.errors import NotFoundError, UsageError

    runs = list(daemon.items("/runs", limit=MOST))
    for run in runs:
        if run["id"] == text:
            return run
    named = [run for run in runs if run["name"] == text]
    if not named:
        raise NotFoundError(f"there is no run {text}; list them: synapsed runs")
    if len(named) > 1:
        ids = ", ".join(run["id"] for run in named)
        raise UsageError(f"{len(named)} runs are called {text}: {ids}; name one by its id")
    return named[0]


def _ask(daemon: DaemonClient, run: dict[str, Any]) -> str:
    """Tell what would go and have the name typed.

    Raises:
        UsageError: nobody is there to type it.
    """
    import sys

    from daemon.cli.output import duration, size
    from daemon.errors import UsageError

    checkpoints = list(daemon.items("/checkpoints", limit=MOST, run=run["id"]))
    num_bytes = sum(one["size_bytes"] for one in checkpoints)
    name, asking = one_line(run["name"]), err()
    asking.say(
        f"{name} ({run['id']}): step {run['step']:,}, {duration(run['training_seconds'])} of learning, "
        f"{len(checkpoints)} checkpoints of {size(num_bytes)}. All of it will be gone for good."
    )
    asking.write(f"Type its name ({name}) to delete it: ")
    typed = sys.stdin.readline() if sys.stdin is not None else ""
    if not typed:
        raise UsageError("nobody confirmed; in a script: synapsed delete RUN --yes")
    return typed.strip()
