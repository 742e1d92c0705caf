"""`synapsed sleep`: a sleep by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from daemon.cli.options import HomeOption, JsonOption, RunOption
from daemon.cli.order_commands import connect
from daemon.cli.printing import say
from daemon.system.counting import counted


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Steer")(sleep)


def sleep(
    *,
    steps: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="How many steps; by default sleep.steps.")
    ] = None,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the brain to sleep now: it replays and consolidates its memories; undone if that does harm."""
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
            f"Sleeping for {counted(result['steps'], 'step')}, from step {result['step']:,}; follow it: synapsed events"
        )
