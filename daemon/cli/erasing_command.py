"""`synapsed forget`: asked of a living trainer, or done on the newest checkpoint of a stopped run."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.erasing_answer import found, lines_of, way_back
from daemon.cli.options import HomeOption, JsonOption, RunOption
from daemon.cli.printing import err, say
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.cli.client import DaemonClient
    from daemon.home import Home
    from daemon.supervisor.run_deletion import OfflineHome

MAX_TEXT_BYTES = 1 << 20
KEPT_FOR_NOW = (
    "Forgetting saves a checkpoint. It removes none from before, but later ones may: pin what is to stay"
)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Steer")(forget)


def forget(
    *,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Everything read from this source.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", metavar="FILE", help="The exact passage in this file; - reads standard input."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="T", help="All that was read since: 2h, 3d, 2026-01-31T18:00, or a step."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be forgotten; forget nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation; for scripts.")] = False,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run forget a source, a text, or all since a time; its weights keep what they learned."""
    from daemon.cli.output import print_json
    from daemon.home import Home

    wanted = _wanted(source, text, since)
    opened = Home.open(home, create=False)
    with contextlib.ExitStack() as stack:
        place = _place(opened, run_id, stack)
        wanted = place.dated(wanted)
        if not dry_run and not yes:
            _confirm(place.forget({**wanted, "dry_run": True}), opened.flag)
        answer = place.forget({**wanted, "dry_run": dry_run})
    if as_json:
        print_json(answer)
    else:
        for line in lines_of(answer, opened.flag):
            say(one_line(line))


def _wanted(source: str | None, text: str | None, since: str | None) -> dict[str, Any]:
    """What was asked for.

    Raises:
        UsageError: nothing, or more than one thing; the file cannot be read, or is too large.
    """
    from daemon.errors import UsageError
    from daemon.since import parse_since

    if sum(one is not None for one in (source, text, since)) != 1:
        raise UsageError("name one thing to forget: --source NAME, --text FILE or --since T")
    if since is not None:
        parse_since(since)
        return {"since": since}
    if source is not None:
        if not source.strip():
            raise UsageError("--source is empty; name a source, as synapsed status --json lists them")
        return {"source": source}
    content = _passage(text or "")
    if len(content.encode()) > MAX_TEXT_BYTES:
        raise UsageError(
            f"--text {text}: more than {MAX_TEXT_BYTES >> 20} MiB; forget its source, or parts of it"
        )
    return {"text": content}


def _passage(text: str) -> str:
    from daemon.cli.feed_input import STANDARD_INPUT, read_text
    from daemon.errors import UsageError
    from daemon.system.paths import as_path, is_there

    try:
        return read_text(text)
    except UsageError as error:
        if text in ("", STANDARD_INPUT) or is_there(as_path(text)):
            raise
        raise UsageError(f"--text takes a file, or - for standard input; {error}") from error


class _Alive:
    """A trainer that is asked by way of the daemon."""

    def __init__(self, daemon: DaemonClient, run: str) -> None:
        self._daemon, self._run = daemon, run

    def dated(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """As it is: the daemon knows which step a time means."""
        return wanted

    def forget(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The trainer's answer."""
        operation = self._daemon.finished(self._daemon.post(f"/runs/{self._run}/forget", wanted))
        result: dict[str, Any] = operation["result"]
        return result


class _Still:
    """A stopped run."""

    def __init__(
        self,
        home: Home,
        run: str,
        step_since: Callable[[str], int],
        keep: Callable[[dict[str, Any], dict[str, Any]], object],
    ) -> None:
        self._home, self._run, self._step_since, self._keep = home, run, step_since, keep

    def dated(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """With the step that a time means."""
        if (since := wanted.get("since")) is None:
            return wanted
        return {"since_step": self._step_since(since), "asked": since}

    def forget(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What was done. By name, because nothing of the command line may import torch."""
        offline = importlib.import_module("daemon.trainer.offline.erase_stopped")
        answer: dict[str, Any]
        answer, event = offline.erase(self._home, self._run, **wanted)
        if event is not None:
            self._keep(answer, event)
        return answer


def _place(home: Home, run_id: str | None, stack: contextlib.ExitStack) -> _Alive | _Still:
    """Where the run is: in a trainer, or on disk alone."""
    from daemon.cli.client import DaemonClient
    from daemon.since import step_since
    from daemon.supervisor.run_deletion import without_daemon
    from daemon.trainer_protocol import RunState

    if home.read_daemon_file() is not None:
        daemon = stack.enter_context(DaemonClient.connect(home))
        run = daemon.run(run_id)
        if not RunState(run["state"]).ended:
            return _Alive(daemon, run["id"])
        path = f"/runs/{run['id']}/step-since"
        # The daemon alone writes the database: the event is reported when the run is resumed.
        return _Still(
            home, run["id"], lambda since: int(daemon.get(path, since=since)["step"]), lambda *_: None
        )
    held = stack.enter_context(without_daemon(home))
    known = _run_of(held, run_id)

    def keep(answer: dict[str, Any], event: dict[str, Any]) -> None:
        held.store.add_event(event, run=known)
        gone = {"sample": None, "sample_step": None, "sample_time": None}
        held.store.update_run(known, checkpoint=answer["checkpoint"], **gone)

    def dated(since: str) -> int:
        return step_since(since, lambda time: held.store.step_at(known, time))

    return _Still(home, known, dated, keep)


def _run_of(held: OfflineHome, run_id: str | None) -> str:
    """The run of that id, else the one that was saved last.

    Raises:
        NotFoundError: there is none.
        NoCheckpointError: nothing was saved here.
    """
    from daemon.checkpoint.resolve import newest_run

    if run_id is None:
        return newest_run(held.checkpoints.catalogue)
    if (run := held.rows.load(run_id)) is None:
        raise held.rows.missing(run_id)
    return run.id


def _confirm(answer: dict[str, Any], home_flag: str) -> None:
    """Show what is there and ask.

    Raises:
        UsageError: nobody is there to answer, or the answer is no.
    """
    import sys

    from daemon.errors import UsageError

    asking = err()
    for line in [*found(answer), way_back(answer, home_flag), KEPT_FOR_NOW]:
        asking.say(one_line(line))
    asking.write("Forget it? This cannot be undone. Type yes: ")
    typed = sys.stdin.readline() if sys.stdin is not None else ""
    if not typed:
        raise UsageError("nobody confirmed; in a script: synapsed forget --yes")
    if typed.strip().lower() not in {"y", "yes"}:
        raise UsageError("nothing was forgotten")
