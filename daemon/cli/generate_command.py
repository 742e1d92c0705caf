"""The command that lets a brain write at length, with nothing running."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.checkpoint_commands import CheckpointArgument, refuse_unknown
from daemon.cli.options import HomeOption, JsonOption, TemperatureOption, TopPOption
from daemon.cli.printing import err, out

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_SEED = 2**63 - 1


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Checkpoints")(generate)


def generate(
    checkpoint: CheckpointArgument = "latest",
    *,
    prompt: Annotated[str, typer.Option("--prompt", help="Text that it continues.")] = "",
    length: Annotated[int, typer.Option("--length", min=1, help="How many bytes to generate.")] = 500,
    temperature: TemperatureOption = 0.8,
    top_k: Annotated[
        int, typer.Option(min=0, help="How many of the likeliest bytes to draw from; 0: all.")
    ] = 0,
    top_p: TopPOption = 0.95,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, help="The same seed draws the same text; else any."),
    ] = None,
    thinking_steps: Annotated[
        int | None,
        typer.Option("--thinking-steps", min=0, max=64, help="Steps of thinking (agiformer); else its own."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a checkpoint or a model file write on from a text, as it is drawn, with nothing running."""
    from daemon.cli.output import print_json
    from daemon.cli.text_upload import unicode_of
    from daemon.home import Home
    from daemon.system.escaping import shown

    opened = Home.open(home, create=False)
    refuse_unknown(opened, checkpoint)
    prompt = unicode_of(prompt, "the prompt")
    module = importlib.import_module(
        "daemon.trainer.offline.generating"
    )  # torch comes in here and nowhere else
    write: Callable[[str], Any] = (lambda _: None) if as_json else (lambda text: out().write(shown(text)))
    write(prompt)
    found: dict[str, Any] = module.generate(
        opened,
        checkpoint,
        prompt,
        max_bytes=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        thinking_steps=thinking_steps,
        on_text=write,
    )
    if as_json:
        print_json(found)
        return
    write("\n")
    thought = "" if found["thinking_steps"] is None else f", {found['thinking_steps']} steps of thinking"
    pace = 1000 * found["cpu_seconds"] / max(found["bytes_generated"], 1)
    err().say(
        f"{found['checkpoint']}, step {found['step']:,}: {found['bytes_generated']:,} bytes, "
        f"{pace:.1f} ms of CPU each, --seed {found['seed']}{thought}"
    )
