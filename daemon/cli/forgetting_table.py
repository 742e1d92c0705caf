"""`synapsed forgetting`: how much was forgotten of each source, as measured."""

from __future__ import annotations

from typing import Any

import typer

from daemon.cli.options import HomeOption, JsonOption, RunOption
from daemon.cli.printing import say


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(forgetting)


def forgetting(run_id: RunOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how much of each source was forgotten since it was known best; works without a daemon."""
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
    empty = "No frozen probe has been scored yet"
    print_table(rows, ("source", "step", "bpc", "smooth", "forgetting"), empty=empty)
    if answer["mean"] is not None:
        say(
            f"Mean forgetting {answer['mean']:.3f} BPC, worst {answer['worst']:.3f}; "
            f"backward transfer {answer['backward_transfer']:.3f}, stability gap {answer['stability_gap']:.3f}"
        )
