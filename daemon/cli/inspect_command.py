"""The command that shows what a brain's steps of thinking bring."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from daemon.cli.checkpoint_commands import CheckpointArgument, refuse_unknown
from daemon.cli.options import HomeOption, JsonOption, UnlearnedTextOption
from daemon.cli.printing import err, say
from daemon.system.counting import counted

STEPS = (
    "steps", "bpc", "entropy", "delta_z", "untrained_bpc", "untrained_entropy", "untrained_delta_z",
)  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Checkpoints")(inspect)


def inspect(
    checkpoint: CheckpointArgument = "latest",
    *,
    data: UnlearnedTextOption = None,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=1, help="Read at most so much.")] = 65_536,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what thinking brings (agiformer): loss and change by the number of steps, beside an untrained twin."""
    from daemon.cli.output import print_json
    from daemon.home import Home
    from daemon.system.paths import as_path

    opened = Home.open(home, create=False)
    refuse_unknown(opened, checkpoint)
    module = importlib.import_module(
        "daemon.trainer.offline.inspecting"
    )  # torch comes in here and nowhere else
    text = None if data is None else as_path(data)
    found: dict[str, Any] = module.inspect(opened, checkpoint, data=text, max_bytes=max_bytes)
    if found["warning"]:
        err().say(f"synapsed: {found['warning']}")
    if as_json:
        print_json(found)
    else:
        show_inspection(found)


def show_inspection(found: dict[str, Any]) -> None:
    """Three tables: by steps, by bytes, and what exits do."""
    from daemon.cli.output import print_table

    own = found["thinking_steps"]
    say(
        f"{found['checkpoint']}, step {found['step']:,}: {counted(own, 'step')} of thinking, "
        f"{counted(found['num_bytes'], 'byte')} "
        f"({found['text']})\n"
    )
    print_table(found["steps"], STEPS, empty="")
    say(
        "\nbpc and entropy are in bits a byte; delta_z is the share of its length by which the last step moved the "
        "latent.\nA twin with random weights moves, too: movement alone does not show thinking."
    )
    best = min(found["steps"], key=lambda row: float(row["bpc"]))
    none, taken = (next(row for row in found["steps"] if row["steps"] == steps) for steps in (0, own))
    say(
        f"Its {own} steps change the loss by {taken['bpc'] - none['bpc']:+.4f} bits a byte; the lowest is that with "
        f"{best['steps']}.\n"
    )
    if found["bytes"]:
        say(f"Bytes for which the prediction settles last, of {own} steps:")
    rows = [{**row, "byte": shown_byte(row["byte"])} for row in found["bytes"]]
    print_table(
        rows, ("byte", "count", "steps", "gained_bits"), empty="No byte comes often enough to compare bytes."
    )
    if found["halting"] is not None:
        halting = found["halting"]
        say(
            f"\nWith its exits: {halting['bpc']:.4f} bits a byte with {halting['steps']:.2f} steps a patch "
            f"({halting['share_of_steps']:.0%} of the steps, {halting['share_of_gain']:.0%} of what they gain)."
        )


def shown_byte(byte: int) -> str:
    """A byte for a person.

    >>> shown_byte(97), shown_byte(208)
    ("'a'", '0xd0')
    """
    return repr(chr(byte)) if byte < 128 else f"0x{byte:02x}"
