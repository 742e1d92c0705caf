"""`synapsed sources try`: what would be read of a file or folder, before anything learns from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.options import JsonOption, given_path
from daemon.cli.printing import err, say

SHOWN_CHARACTERS = 60

sources = typer.Typer(help="Look at what there is to learn from.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(sources, name="sources", rich_help_panel="Begin")


@sources.callback()
def group() -> None:
    """Look at what there is to learn from."""


@sources.command("try")
def try_(
    path: Annotated[Path, typer.Argument(metavar="PATH", parser=given_path, help="A file or folder.")],
    *,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="As what it is read: files, documents, table.")
    ] = "files",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of that kind; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many files to read.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what would be read of each file of PATH, and why others are not; nothing is learned or kept."""
    import shlex
    import tempfile
    from dataclasses import asdict

    from daemon.cli.output import print_json, print_table, size
    from daemon.config.loading import parse_set
    from daemon.streams.looking import look_into
    from daemon.streams.sources import resolve

    table: dict[str, Any] = {"kind": kind, "path": str(path), **dict(map(parse_set, settings or []))}
    _check(table)
    (source,) = resolve((), (table,))
    with tempfile.TemporaryDirectory(prefix="synapsed-") as cache:
        looks, num_files = look_into(source, cache=Path(cache), limit=limit)
    if as_json:
        print_json({"files": [asdict(look) for look in looks], "num_files": num_files})
        return
    rows = [
        {
            "file": look.name,
            "read as": look.form or "-",
            "text": size(look.num_bytes),
            "begins, or why not": look.skipped or look.begins[:SHOWN_CHARACTERS],
        }
        for look in looks
    ]
    print_table(rows, ("file", "read as", "text", "begins, or why not"), empty="There is no file here.")
    if num_files > len(looks):
        err().say(f"{num_files - len(looks):,} more files; show them with --limit {num_files}")
    if any(look.num_bytes for look in looks):
        option = ["--data", str(path)] if kind == "files" else ["--set", f"stream.source=[{_toml(table)}]"]
        say(f"Learn from it: synapsed start {shlex.join(option)}")


def _check(table: dict[str, Any]) -> None:
    """Refuse a kind or a setting that there is not, with the nearest; raises ConfigError."""
    from daemon.config.loading import resolve_config

    resolve_config(overrides={"stream.source": [table]}, environ={})


def _toml(table: dict[str, Any]) -> str:
    import json

    return "{" + ", ".join(f"{key}={json.dumps(value)}" for key, value in table.items()) + "}"
