"""`synapsed train`: a run that ends by itself, after a number of samples, steps or epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from daemon.cli.options import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    RUN,
    AllowRemoteOption,
    BrainOption,
    DataOption,
    DetachOption,
    DeviceOption,
    HomeOption,
    HostOption,
    JsonOption,
    NameOption,
    OpenOption,
    PortOption,
    PublicUrlOption,
    SetOption,
    StepsOption,
    overrides_from,
)
from daemon.cli.start_commands import begin, start_request

EPOCHS = 3  # of a brain that is trained where nothing else is asked for


commands = typer.Typer(invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Register the command, and what stands behind its name."""
    from daemon.cli.train_all_command import train_all

    commands.callback()(train)
    commands.command("all")(train_all)
    app.add_typer(commands, name="train", rich_help_panel="Begin")


def train(
    context: typer.Context,
    *,
    config: Annotated[
        Literal["fast", "full"] | None,
        typer.Option(
            "--config",
            help="fast: 10,000 samples × 10 epochs (the default without --brain); full: 10 million × 200.",
        ),
    ] = None,
    brain: BrainOption = None,
    phase: Annotated[
        int | None,
        typer.Option(
            "--phase",
            help="Train only what this phase of the brain trains, at its rate.",
            rich_help_panel=RUN,
        ),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            "--pretrained",
            metavar="CKPT",
            help="Start from the weights of a checkpoint.",
            rich_help_panel=RUN,
        ),
    ] = None,
    steps: StepsOption = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", help="Stop after this many passes over the data.", rich_help_panel=RUN),
    ] = None,
    data: DataOption = None,
    device: DeviceOption = None,
    assignments: SetOption = None,
    name: NameOption = None,
    home: HomeOption = None,
    host: HostOption = DEFAULT_HOST,
    port: PortOption = DEFAULT_PORT,
    allow_remote: AllowRemoteOption = False,
    public_url: PublicUrlOption = None,
    detach: DetachOption = False,
    open_browser: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the classic way, for a fixed number of steps or epochs: all weights, or those of one phase."""
    from daemon.config.loading import resolve_config

    if context.invoked_subcommand is not None:
        return
    asked = overrides_from(brain=brain, steps=steps, data=data, device=device, assignments=assignments)
    preset = config or (None if "brain.kind" in asked else "fast")
    kind = resolve_config(preset=preset, overrides=asked).brain["kind"]
    settings = {
        **_classic(asked, epochs, kind, finite=config is not None or preset == "fast"),
        **of_phase(kind, phase, pretrained),
        **({} if pretrained is None else {"pretrained": _found(pretrained, home)}),
    }
    begin(
        context,
        start_request(preset, {**settings, **asked}, name),
        home_path=home,
        host=host,
        port=port,
        allow_remote=allow_remote,
        public_url=public_url,
        detach=detach,
        open_browser=open_browser,
        as_json=as_json,
    )


def _classic(asked: dict[str, Any], epochs: int | None, kind: str, *, finite: bool) -> dict[str, Any]:
    """One source after the other, and an end; `finite` when the preset has both."""
    from brain.registry import brains

    ends = epochs is not None or any(key.startswith("limits.") for key in asked)
    settings: dict[str, Any] = {} if finite else {"stream.mix": "sequential"}
    steps = brains.get(kind).training_steps
    if not (finite or ends) and steps is not None:
        settings["limits.steps"] = steps
    elif epochs is not None or not (finite or ends):
        settings["limits.epochs"] = EPOCHS if epochs is None else epochs
    return settings


def of_phase(kind: str, phase: int | None, pretrained: str | None) -> dict[str, Any]:
    """What a phase sets; `--set` may still set it otherwise.

    Raises:
        UsageError: the kind of brain has no such phase, or the phase has nothing to begin with.
    """
    from brain.registry import brains
    from daemon.errors import UsageError

    if phase is None:
        return {}
    phases = brains.get(kind).phases
    if phase not in phases:
        known = ", ".join(map(str, phases))
        hint = f"it has {known}" if phases else "leave --phase out"
        raise UsageError(f"--phase {phase}: brain {kind} is trained in no such phase; {hint}")
    if phase != min(phases) and pretrained is None:
        raise UsageError(
            f"--phase {phase} starts from trained weights: name them with --pretrained CKPT (see synapsed checkpoints)"
        )
    return {
        "brain.phase": phase,
        "optimizer.kind": "adamw",
        "optimizer.learning_rate": phases[phase].learning_rate,
    }


def _found(pretrained: str, home_path: Path | None) -> str:
    """The checkpoint that was named, so that the daemon finds the same from wherever it runs.

    Raises:
        SynapsedError: there is none.
    """
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import resolve
    from daemon.home import Home
    from daemon.system.paths import as_text

    return as_text(resolve(Catalogue(Home.open(home_path).checkpoints), pretrained).absolute())
