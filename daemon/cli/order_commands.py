"""Commands to a running daemon: status, stop, pause, continue, checkpoint, feed, ask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.options import (
    AskedCheckpointOption,
    HomeOption,
    JsonOption,
    RunOption,
    TemperatureOption,
    TopPOption,
)
from daemon.cli.printing import say
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from daemon.cli.client import DaemonClient
    from daemon.home import Home

SHUTDOWN_TIMEOUT_SECONDS = 330.0
POLL_SECONDS = 0.1
FURTHER_METRICS = (
    ("Integration", "integration", 3),
    ("Confidence", "confidence", 3),
    ("Self-prediction error", "self_prediction_error", 3),
    ("Reliance on memory", "reliance", 3),
    ("Gain of the newest growth", "growth_gain", 4),
    ("Held-out BPC", "held_out_bpc", 3),
    ("Held-out BPC with memory", "held_out_mixed_bpc", 3),
    ("Held-out accuracy", "held_out_accuracy", 3),
    ("Steps/s", "steps_per_second", 3),
)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Steer"
    app.command(rich_help_panel=panel)(status)
    app.command(rich_help_panel=panel)(pause)
    app.command("continue", rich_help_panel=panel)(continue_)
    app.command(rich_help_panel=panel)(checkpoint)
    app.command(rich_help_panel=panel)(stop)
    app.command(rich_help_panel=panel)(feed)
    app.command(rich_help_panel=panel)(ask)


def connect(home_path: Path | None) -> DaemonClient:
    """A client for the daemon of a home that is there."""
    from daemon.cli.client import DaemonClient
    from daemon.home import Home

    return DaemonClient.connect(Home.open(home_path, create=False))


def status(run_id: RunOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the daemon and the run: state, step, speed, vital signs; without a daemon the last ones, exit code 4."""
    from daemon.cli.home_history import history_of, state_of
    from daemon.cli.output import print_json
    from daemon.errors import NotFoundError, NotRunningError
    from daemon.home import Home

    with history_of(Home.open(home, create=False)) as history:
        try:
            run = history.run(run_id)
        except NotFoundError:
            if run_id is not None:
                raise
            run = None
    if as_json:
        print_json({"url": history.url, "run": run})
    else:
        if history.url is not None:
            say(f"synapsed answers at {history.url}")
        if run is None:
            say("Nothing has been started here yet: synapsed start")
        else:
            _print_run(run, state_of(history, run))
    if history.url is None:
        raise typer.Exit(NotRunningError.exit_code)


def pause(run_id: RunOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Save a checkpoint and pause learning; the daemon keeps answering."""
    _act("pause", run_id, home, as_json)


def continue_(run_id: RunOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Continue learning after a pause."""
    _act("continue", run_id, home, as_json)


def checkpoint(run_id: RunOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Save a checkpoint now."""
    _act("checkpoint", run_id, home, as_json)


def stop(
    run_id: RunOption = None,
    keep_serving: Annotated[
        bool, typer.Option("--keep-serving", help="Stop learning only; the daemon keeps answering.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Stop even if the last checkpoint cannot be saved; prints what is lost."
        ),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save a final checkpoint, then stop the run and the daemon; refused if it cannot be saved."""
    from daemon.cli.output import print_json
    from daemon.errors import NotFoundError
    from daemon.home import Home
    from daemon.trainer_protocol import RunState

    opened = Home.open(home, create=False)
    with connect(home) as daemon:
        try:
            run: dict[str, Any] | None = daemon.run(run_id)
        except NotFoundError:
            if run_id is not None or keep_serving:
                raise
            run = None
        if run is not None and not RunState(run["state"]).ended:
            if not as_json:
                say("Saving final checkpoint...")
            daemon.act(run["id"], "stop", {"force": True} if force else {})
            run = _ended(daemon, run["id"])
        elif keep_serving:
            print_json({"run": run, "daemon": "serving"}) if as_json else say("Nothing is learning.")
            return
        if not keep_serving:
            _shut_down(daemon, opened)
    if as_json:
        print_json({"run": run, "daemon": "serving" if keep_serving else "stopped"})
        _report_crash(run)
        return
    if run is not None:
        _print_summary(run, opened)
    if not keep_serving:
        say("The daemon has stopped.")
    _report_crash(run)


def feed(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Text files, also gzipped; - reads standard input.")
    ],
    *,
    begin_bytes: Annotated[
        int,
        typer.Option("--from", min=0, metavar="BYTES", help="Start at this byte of the first file's text."),
    ] = 0,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="LABEL",
            help="Label of each file, for a brain that learns labels.",
        ),
    ] = None,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the running brain text to learn from; it is on disk before the command returns."""
    from daemon.cli.feed_input import STANDARD_INPUT, read_texts
    from daemon.cli.output import print_json, size
    from daemon.cli.text_upload import BrokenOffError, Rest, push, unicode_of
    from daemon.errors import UsageError
    from daemon.home import Home
    from daemon.system.paths import as_path, refuse_private

    if label is not None and not unicode_of(label, "--label").strip():
        raise UsageError("--label is empty; name what the text is to be labelled as")
    if label is not None and begin_bytes:
        raise UsageError("--label takes whole files; leave --from out")
    opened = Home.open(home, create=False)
    for name in set(files) - {STANDARD_INPUT}:
        refuse_private(as_path(name), opened.root)
    texts = read_texts(files)  # all are readable before any is sent
    results: list[dict[str, Any]] = []
    with connect(home) as daemon:
        run = daemon.run(run_id)["id"]
        for place, (name, text) in enumerate(texts.items()):
            rest = Rest(
                files=tuple(texts)[place:], run=run, home_flag=opened.flag, begun=bool(results), label=label
            )
            begin = 0 if results else begin_bytes
            try:
                operation = push(daemon, text, rest, begin_bytes=begin)
            except BrokenOffError as broken:
                if as_json:
                    go_on = {"file": name, "from": broken.num_bytes, "command": broken.command}
                    print_json({"run": run, "fed": results, "go_on": go_on})
                raise
            num_bytes = len(text.encode()) - begin
            results.append({"file": name, "num_bytes": num_bytes, "operation": operation["id"]})
            if not as_json:
                say(one_line(f"{size(num_bytes)} of {rest.shown} are saved and will be read"))
    if as_json:
        print_json({"run": run, "fed": results})


def ask(
    text: Annotated[str, typer.Argument(help="Text to continue, or to label.")],
    *,
    max_bytes: Annotated[int, typer.Option(min=1, max=8192, help="How many bytes to generate.")] = 200,
    temperature: TemperatureOption = 0.8,
    top_p: TopPOption = 0.95,
    checkpoint_name: AskedCheckpointOption = None,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the brain continue a text, or label it; with nothing running, the newest checkpoint answers."""
    from daemon.cli.asking import answer_of
    from daemon.cli.output import print_json
    from daemon.cli.text_upload import unicode_of
    from daemon.home import Home

    text = unicode_of(text, "the text to ask")
    question = {"prompt": text, "max_bytes": max_bytes, "temperature": temperature, "top_p": top_p}
    opened = Home.open(home, create=False)
    answer = answer_of(opened, "generate", question, run_id=run_id, checkpoint=checkpoint_name)
    if as_json:
        print_json(answer)
    else:
        say(_answered(answer) if answer.get("is_answer") else text + answer["text"])


def _answered(answer: dict[str, Any]) -> str:
    """An answer on a line of its own.

    >>> _answered({"text": "weather", "probability": 0.973})
    'weather (probability 0.97)'
    """
    if answer.get("probability") is None:
        return "no answer yet: it has learned none"
    return f"{answer['text']} (probability {answer['probability']:.2f})"


def _act(action: str, run_id: str | None, home: Path | None, as_json: bool) -> None:
    from daemon.cli.output import print_json

    with connect(home) as daemon:
        run = daemon.run(run_id)
        operation = daemon.act(run["id"], action)
    if as_json:
        print_json(operation)
        return
    saved = (operation.get("result") or {}).get("checkpoint")
    say(f"{action}: done" + (f"; saved {saved}" if saved else ""))


def _print_run(run: dict[str, Any], state: str) -> None:
    from daemon.cli.progress_line import Progress

    progress = Progress(home=Path())
    progress.take_run({**run, "state": state})  # without a daemon nothing learns, whatever its record says
    why = f": {run['reason']}" if run.get("reason") else ""
    say(one_line(f"{run['name']} ({run['id']}) is {state}{why}"))
    if progress.degraded:
        say(one_line(f"Degraded: {progress.degraded}"))
    say(progress.line())
    further = progress.shown(FURTHER_METRICS)
    say(" | ".join(f"{label}={progress.value(metric, digits)}" for label, metric, digits in further))
    say(f"Newest checkpoint: {run.get('checkpoint') or 'none'}")


def _ended(daemon: DaemonClient, run_id: str) -> dict[str, Any]:
    """The run once no trainer belongs to it any more."""
    from daemon.errors import DaemonError
    from daemon.trainer_protocol import RunState

    deadline = time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        run = daemon.run(run_id)
        if RunState(run["state"]).ended:
            return run
        time.sleep(POLL_SECONDS)
    raise DaemonError(f"{run_id} is still saving; see synapsed status and synapsed logs")


def _shut_down(daemon: DaemonClient, home: Home) -> None:
    """End the daemon and wait until its process is gone."""
    from daemon.errors import DaemonError

    daemon.post("/shutdown")
    deadline = time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS
    while home.read_daemon_file() is not None:
        if time.monotonic() > deadline:
            raise DaemonError(f"the daemon at {daemon.url} does not end; see {home.training_log}")
        time.sleep(POLL_SECONDS)


def _report_crash(run: dict[str, Any] | None) -> None:
    """A run that crashed before it could stop counts as a failure.

    Raises:
        TrainerLostError: with the reason.
    """
    from daemon.errors import TrainerLostError

    if run is not None and run["state"] == "crashed":
        raise TrainerLostError(f"{run['id']} crashed before it could stop: {run['reason']}")


def _print_summary(run: dict[str, Any], home: Home) -> None:
    from daemon.cli.progress_line import Progress

    progress = Progress(home=home.root, flag=home.flag)
    progress.take_run(run)
    say(progress.summary())
