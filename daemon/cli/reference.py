"""Writes docs/reference/cli.md and config.md from the program: `python -m daemon.cli.reference [--check]`."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main

from brain.registry import brains
from daemon.cli.app import app
from daemon.cli.printing import complain, say
from daemon.config.keep import KeepConfig
from daemon.config.loading import list_presets
from daemon.config.setting_ranges import range_in
from daemon.config.tree import RunConfig
from daemon.streams.kinds import sources

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
NOTE = "<!-- Written by `python -m daemon.cli.reference`; change the program, not this file. -->"
TYPES = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}
EXIT_CODES = (
    (0, "done"),
    (1, "something failed inside, or `doctor` found a failure"),
    (2, "a wrong option, key, value or path; or nothing readable to learn from"),
    (3, "another daemon holds the home, or the port is taken"),
    (4, "no daemon answers for this home"),
    (5, "no such run, checkpoint or operation; or the action does not fit the run's state"),
    (6, "a checkpoint cannot be written or read, or there is none"),
    (7, "the trainer died too often"),
    (130, "interrupted a second time; the last good checkpoint stays"),
)


def main(arguments: Sequence[str]) -> int:
    """Write both files; with `--check` only report which is stale, as exit code 1."""
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in arguments:
        complain(f"stale: {', '.join(stale)}; run python -m daemon.cli.reference")
        return 1
    say(f"{'wrote ' + ', '.join(stale) if stale else 'all fresh'}")
    return 0


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {"cli.md": cli_page(), "config.md": config_page()}


def cli_page() -> str:
    """Every command with its options."""
    group: Any = typer.main.get_command(app)
    lines = ["# Command line", "", NOTE, "", group.help, ""]
    lines += ["| command | |", "|---|---|"]
    commands = dict(all_commands(group))
    lines += [
        f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(command.help)} |"
        for name, command in commands.items()
    ]
    for name, command in commands.items():
        arguments = [param for param in command.params if param.param_type_name == "argument"]
        options = [param for param in command.params if param.param_type_name == "option"]
        usage = " ".join(["synapsed", name, *(_argument(param) for param in arguments), "[OPTIONS]"])
        lines += ["", f"## {name}", "", f"`{usage}`", "", " ".join(command.help.split()), ""]
        lines += ["| | | default |", "|---|---|---|"]
        lines += [
            f"| `{_argument(param)}` | {_cell(param.help)} | {_default(param)} |" for param in arguments
        ]
        lines += [f"| {_flags(param)} | {_cell(param.help)} | {_default(param)} |" for param in options]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES]
    return "\n".join(lines) + "\n"


def all_commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Commands by name, those of a group behind the group's own name; a group that does nothing is left out."""
    for name, command in group.commands.items():
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield before + name, command
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{before}{name} ")


def config_page() -> str:
    """Every setting of a run with its default and range, then the presets."""
    lines = [
        "# Configuration",
        "",
        NOTE,
        "",
        "A run's settings come from four places, each over the one before: defaults; the preset (`--preset`",
        "with a name or a TOML file of the tables below); the environment (`SYNAPSED_STREAM__ROWS=16`, two",
        "underscores for a dot); the command line (`--set stream.rows=16`, and the named options). The",
        "resolved settings are stored with the run and in every checkpoint.",
        "",
        "Who owns what: these settings are one run's, and its trainer alone acts on them; it never touches what is",
        "another run's. What a home keeps over all its runs is the supervisor's: [keep.toml](#the-home-keeptoml).",
    ]
    lines += _sections("Top level", RunConfig, "")
    for entry in brains:
        lines += _sections(f"[brain] with kind = {json.dumps(entry.name)}", entry.config, "brain.")
    for entry in sources:
        lines += _sections(
            f"[[stream.source]] with kind = {json.dumps(entry.name)}", entry.config, "stream.source."
        )
    lines += _sections("The home: keep.toml", KeepConfig, "keep.")
    lines += ["", "## Presets", "", "| preset | |", "|---|---|"]
    lines += [f"| `{preset.name}` | {_cell(preset.summary)} |" for preset in list_presets()]
    return "\n".join(lines) + "\n"


def _sections(title: str, config: type, prefix: str) -> list[str]:
    """A table of a config's own settings, then one of each config nested in it."""
    prose, described = _docstring(config)
    rows: list[str] = []
    below: list[str] = []
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        name, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            below += _sections(f"[{name}]", hint, f"{name}.")
        elif name != "brain":
            shown = _shown_default(field)
            cells = (
                f"`{name}`",
                _type(hint),
                shown,
                _range(config, name, hint),
                _cell(described.get(field.name)),
            )
            rows.append(f"| {' | '.join(cells)} |")
    head = ["", f"## {title}", "", prose, ""]
    table = ["| setting | type | default | range | |", "|---|---|---|---|---|", *rows] if rows else []
    return [*head, *table, *below]


def _range(config: type, name: str, hint: Any) -> str:
    """Which numbers a setting, or each of its items, may be; empty for what is not a number."""
    if not {hint, *typing.get_args(hint)} & {int, float}:
        return ""
    allowed = range_in(config, [name.rpartition(".")[2]])
    return "" if allowed is None else allowed.bounds_for(0.0).removeprefix("of ")


def _docstring(config: type) -> tuple[str, dict[str, str]]:
    """The prose of a config's docstring, and its Attributes by name."""
    prose, _, attributes = (inspect.getdoc(config) or "").partition("Attributes:")
    described: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(attributes).splitlines():
        begins = re.match(r"(\w+): (.*)", line)
        if begins:
            name = begins[1]
            described[name] = begins[2]
        elif name and line.strip():
            described[name] += " " + line.strip()
    return " ".join(prose.split()), described


def _type(hint: Any) -> str:
    """A type as a person writes it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if origin is tuple:
        return "list of " + _type(arguments[0])
    if origin is dict:
        return "table"
    if arguments:
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    return TYPES.get(hint.__name__, str(hint.__name__))


def _shown_default(field: dataclasses.Field[Any]) -> str:
    value = field.default_factory() if callable(field.default_factory) else field.default
    if value is dataclasses.MISSING:
        return "needed"
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _argument(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _flags(param: Any) -> str:
    flags = " / ".join(f"`{flag}`" for flag in (*param.opts, *param.secondary_opts))
    return f"{flags} {_cell(param.metavar)}" if param.metavar else flags


def _default(param: Any) -> str:
    if param.required:
        return "needed"
    if param.default is None or param.default is False or param.default == ():
        return ""
    return f"`{param.default}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
