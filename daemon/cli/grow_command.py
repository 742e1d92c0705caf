"""The command that grows a brain by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.options import HomeOption, JsonOption, RunOption, above_zero
from daemon.cli.order_commands import connect
from daemon.cli.printing import say
from daemon.system.counting import counted

SHOWN_GROWTHS = 5


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Steer")(grow)


def grow(
    *,
    site: Annotated[
        str | None, typer.Option("--site", help="Where to grow; by default where neurons are needed most.")
    ] = None,
    fraction: Annotated[
        float | None,
        typer.Option(
            "--fraction",
            max=1.0,
            callback=above_zero,
            help="Share of the site's units to add, above 0; by default growth.fraction.",
        ),
    ] = None,
    deepen: Annotated[
        bool, typer.Option("--deepen", help="Add a block after the site's own, instead of widening it.")
    ] = False,
    expert: Annotated[
        bool,
        typer.Option("--expert", help="Add an expert beside the site's MLP, instead of widening it."),
    ] = False,
    column: Annotated[
        bool,
        typer.Option(
            "--column", help="Freeze everything there is and add a column beside it; takes no --site."
        ),
    ] = False,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Show what growing each site (or --site) would add; grow nothing."),
    ] = False,
    run_id: RunOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grow the running brain by hand: it is saved first, and loses nothing it knows."""
    from daemon.cli.output import print_json
    from daemon.errors import UsageError

    operator = _operator(deepen=deepen, expert=expert, column=column)
    if preview and operator is not None:
        raise UsageError(f"--preview shows what can be added everywhere: leave --{operator} out")
    with connect(home) as daemon:
        run = daemon.run(run_id)
        path = f"/runs/{run['id']}/growth"
        if preview:
            answer = _narrowed(daemon.get(path, fraction=fraction), site)
        else:
            wanted = {"site": site, "fraction": fraction}
            body = {key: value for key, value in wanted.items() if value is not None}
            if operator is not None:
                body["operator"] = operator
            answer = daemon.finished(daemon.post(path, body))
    if as_json:
        print_json(answer)
    elif preview:
        _print_sites(answer)
    else:
        _print_grown(answer["result"])


def _operator(**asked: bool) -> str | None:
    """The one operator that was asked for; None for neurons.

    Raises:
        UsageError: several were.
    """
    from daemon.errors import UsageError

    chosen = [name for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(
            f"{' and '.join(f'--{name}' for name in chosen)} exclude each other: grow one at a time"
        )
    return chosen[0] if chosen else None


def _narrowed(view: dict[str, Any], site: str | None) -> dict[str, Any]:
    """The view with one of its sites, or with all.

    Raises:
        UsageError: there is no such site.
    """
    from brain.nearest_name import did_you_mean
    from daemon.errors import UsageError

    names = [row["site"] for row in view["sites"]]
    if site is None:
        return view
    if site not in names:
        hint = did_you_mean(site, names, otherwise=f"there are {', '.join(names)}")
        raise UsageError(f"no growth site is called {site!r}{hint}")
    return {**view, "sites": [row for row in view["sites"] if row["site"] == site]}


def _print_sites(view: dict[str, Any]) -> None:
    from daemon.cli.output import print_table

    rows = [
        {
            "site": site["site"],
            "units": site["units"],
            "at_most": site["max_units"],
            "cool_down": site["cooldown_steps"],
            "utilisation": (site["signals"] or {}).get("utilisation"),
            "would_have": site["preview"]["units"],
            "neurons_then": site["preview"]["num_neurons"],
            "why_not": site["reason"],
            "block_after": None if site["deeper"]["reason"] else site["deeper"]["newborns"],
            "expert_beside": None if site["expert"]["reason"] else site["expert"]["newborns"],
        }
        for site in view["sites"]
    ]
    columns = (
        "site", "units", "at_most", "cool_down", "utilisation", "would_have", "neurons_then", "why_not",
        "block_after", "expert_beside",
    )  # fmt: skip
    print_table(rows, columns, empty="This brain has no growth sites")
    column = view["column"]
    if column["reason"]:
        say(f"No column can be added: {column['reason']}.")
    else:
        say(
            f"A column would add {counted(column['newborns'], 'neuron')} and "
            f"{counted(column['parameters'], 'parameter')}, and freeze "
            f"{column['freezes']:,}."
        )
    state = "on" if view["enabled"] else "off; switch it on with: synapsed resume latest --neurogenesis"
    say(f"{view['num_neurons']:,} of at most {view['max_neurons']:,} neurons. Automatic growth is {state}.")
    for record in view["history"][-SHOWN_GROWTHS:]:
        units = f"{record['units_before']:,} to {counted(record['units_after'], 'unit')}"
        say(f"Step {record['step']:,}: {record['site']}, {units}: {_verdict(record, view['trial'])}")


def _verdict(record: dict[str, Any], trial: dict[str, Any] | None) -> str:
    """What came of a growth, in words."""
    verdict = record.get("verdict")
    if verdict is None:
        if trial is not None and trial["began"] == record["step"]:
            return f"on trial, {trial['done']:,} of {trial['steps']:,} steps"
        return "not judged"
    if verdict["paid"] is None:
        return f"not judged, {verdict['reason']}"
    word = "paid" if verdict["paid"] else "did not pay"
    return (
        f"{word}, {verdict['bpc']:.3f} bits a byte beside {verdict['promised_bpc']:.3f} of a twin that did not grow "
        f"({verdict['gain']:+.2%} ± {verdict['noise']:.2%})"
    )


def _print_grown(result: dict[str, Any]) -> None:
    match result["operator"]:
        case "deepen":
            grown = f"A block of {result['units_after']:,} units was added after that of {result['site']}"
        case "expert":
            grown = f"An expert of {result['units_after']:,} units was added beside {result['site']}"
        case "column":
            grown = f"A column of {result['units_after']:,} units was added, and everything older is frozen,"
        case _:
            grown = (
                f"{result['site']} grew from {result['units_before']:,} to {result['units_after']:,} units"
            )
    say(
        f"{grown} at step {result['step']:,}; {result['metrics_after']['num_neurons']:,} neurons in all. "
        f"Before it: {result['checkpoint']}"
    )
