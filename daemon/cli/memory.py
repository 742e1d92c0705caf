"""Commands that put a brain to sleep and show what it has forgotten."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.options import HomeOption, JsonOption, RunOption
from daemon.cli.order_commands import connect
from daemon.cli.printing import say


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel="Steer")(sleep)
    app.command(rich_help_panel="Look")(forgetting)


def sleep(
    *,
    steps: Annotated[int | None, typer.Option(min=1, max=10_000, help="How long; else sleep.steps.")] = None,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the brain sleep now: it replays what it remembers and consolidates it; undone if that does harm."""
    from daemon.cli.output import print_json

    with connect(home) as daemon:
        run = daemon.run(run_id)
        arguments = {} if steps is None else {"steps": steps}
        body = {"action": "sleep", "arguments": arguments}
        answer = daemon.finished(daemon.post(f"/runs/{run['id']}/actions", body))
    if as_json:
        print_json(answer)
    else:
        result = answer["result"]
        say(
            f"Sleeping for {result['steps']:,} steps, from step {result['step']:,}; follow it: synapsed events"
        )


def forgetting(run_id: RunOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what was forgotten of each source since it was known best, by its frozen probe; daemon or not."""
    from daemon.cli.home_history import history_of
    from daemon.cli.output import print_json
    from daemon.home import Home

    with history_of(Home.open(home, create=False)) as history:
        answer = history.forgetting(run_id)
    if as_json:
        print_json(answer)
    else:
        _print_matrix(answer)


def _print_matrix(answer: dict[str, Any]) -> None:
    from daemon.cli.output import print_table

    rows = [
        {"source": source, **{name: columns[name][-1] for name in ("step", "bpc", "smooth", "forgetting")}}
        for source, columns in sorted(answer["sources"].items())
        if columns["step"]
    ]
    empty = "No frozen probe was scored through yet"
    print_table(rows, ("source", "step", "bpc", "smooth", "forgetting"), empty=empty)
    if answer["mean"] is not None:
        say(
            f"Mean forgetting {answer['mean']:.3f} BPC, worst {answer['worst']:.3f}; "
            f"backward transfer {answer['backward_transfer']:.3f}, stability gap {answer['stability_gap']:.3f}"
        )
