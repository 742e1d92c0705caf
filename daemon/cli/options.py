"""Options that several commands share, and what they mean for a run's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765

RUN = "The run"
AS = "Where the daemon answers"


def given_path(text: str) -> Path:
    """Parser of every option that takes a path; `Path("")` would be the current folder.

    Raises:
        typer.BadParameter: the text is empty.
    """
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        parser=given_path,
        help="Home folder; else SYNAPSED_HOME, else the current folder.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="ID", help="Which run; by default the one that is learning, else the newest."
    ),
]
AskedCheckpointOption = Annotated[
    str | None,
    typer.Option("--checkpoint", metavar="CKPT", help="Ask this checkpoint instead of the live brain."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
UnlearnedTextOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        parser=given_path,
        help="A text that it did not learn; else what is held out.",
    ),
]
TemperatureOption = Annotated[
    float, typer.Option(min=0.0, max=10.0, help="Randomness; 0 always takes the likeliest byte.")
]
HostOption = Annotated[
    str, typer.Option("--host", envvar="SYNAPSED_HOST", help="Address to listen on.", rich_help_panel=AS)
]
PortOption = Annotated[
    int,
    typer.Option(
        "--port",
        envvar="SYNAPSED_PORT",
        min=0,
        max=65535,
        help="Port to listen on; 0 picks a free one.",
        rich_help_panel=AS,
    ),
]
AllowRemoteOption = Annotated[
    bool,
    typer.Option(
        "--allow-remote",
        help="Required with a --host that other machines can reach: with the token, they can steer it.",
        rich_help_panel=AS,
    ),
]
PublicUrlOption = Annotated[
    str | None,
    typer.Option(
        "--public-url",
        envvar="SYNAPSED_PUBLIC_URL",
        metavar="URL",
        help="Public address of a reverse proxy in front of it, such as https://me.example/brain.",
        rich_help_panel=AS,
    ),
]
OpenOption = Annotated[
    bool, typer.Option("--open/--no-open", help="Open the page in a browser.", rich_help_panel=AS)
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Run in the background and return at once.", rich_help_panel=AS)
]

PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME|FILE", help="A ready-made run, or a TOML file.", rich_help_panel=RUN
    ),
]
BrainOption = Annotated[
    str | None, typer.Option("--brain", metavar="KIND", help="Kind of brain.", rich_help_panel=RUN)
]
DataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        metavar="PATH",
        parser=given_path,
        help="File or folder to learn from; repeatable.",
        rich_help_panel=RUN,
    ),
]
FollowOption = Annotated[
    bool | None,
    typer.Option(
        "--follow/--again",
        help="At the end of the data, wait for more (appended text, new files), or start over.",
        rich_help_panel=RUN,
    ),
]
HoursOption = Annotated[
    float | None, typer.Option("--hours", help="Stop after this many hours.", rich_help_panel=RUN)
]
StepsOption = Annotated[
    int | None, typer.Option("--steps", help="Stop after this many steps.", rich_help_panel=RUN)
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Device to compute on.", rich_help_panel=RUN),
]
NeurogenesisOption = Annotated[
    bool | None,
    typer.Option("--neurogenesis/--no-neurogenesis", help="Whether the brain may grow.", rich_help_panel=RUN),
]
MaxNeuronsOption = Annotated[
    int | None, typer.Option("--max-neurons", help="Hard limit on growth.", rich_help_panel=RUN)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any setting by its dotted name; repeatable.", rich_help_panel=RUN
    ),
]
NameOption = Annotated[str | None, typer.Option("--name", help="A name for the run.", rich_help_panel=RUN)]


def above_zero(value: float | None) -> float | None:
    """Callback of an option whose range begins behind 0; the option parser only knows ranges with their ends.

    Raises:
        typer.BadParameter: 0, less, or no number.
    """
    if value is not None and not value > 0:
        raise typer.BadParameter("a number above 0 is expected")
    return value


TopPOption = Annotated[
    float,
    typer.Option(
        max=1.0,
        callback=above_zero,
        help="Draw from the likeliest bytes that make up this share, above 0.",
    ),
]


def overrides_from(
    *,
    brain: str | None = None,
    data: list[Path] | None = None,
    follow: bool | None = None,
    hours: float | None = None,
    steps: int | None = None,
    device: str | None = None,
    neurogenesis: bool | None = None,
    max_neurons: int | None = None,
    assignments: list[str] | None = None,
) -> dict[str, Any]:
    """Dotted settings for what was given on the command line; `--set` overrides.

    Raises:
        ConfigError: when a `--set` is not key=value.
    """
    from daemon.config.loading import parse_set
    from daemon.system.paths import as_text

    named: dict[str, Any] = {
        "brain.kind": brain,
        "stream.data": [as_text(path) for path in data] if data else None,
        "stream.at_end": None if follow is None else ("wait" if follow else "again"),
        "limits.hours": hours,
        "limits.steps": steps,
        "device": device,
        "growth.enabled": neurogenesis,
        "growth.max_neurons": max_neurons,
    }
    overrides = {key: value for key, value in named.items() if value is not None}
    overrides.update(parse_set(assignment) for assignment in assignments or [])
    return overrides
