"""The command that makes a brain ternary and packs it: at once, or after it has learned to live with it."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from daemon.cli.checkpoint_commands import CheckpointArgument
from daemon.cli.options import DEFAULT_PORT, ForceOption, HomeOption, JsonOption, PortOption, given_path
from daemon.cli.printing import err, say
from daemon.system.counting import counted
from daemon.system.escaping import one_line
from daemon.system.own_modules import command_of, environment

if TYPE_CHECKING:
    from daemon.home import Home

MOST_PERCENT = 100.0
SLOWER = 1.5  # times; less may be noise of a short measurement
NO_GGUF = "No GGUF is written: llama.cpp has none of these architectures, so it would load nowhere."


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Checkpoints")(quantize)


def above_full(text: str) -> float:
    """A share above the loss in full precision, from percent.

    >>> above_full("3%"), above_full("2.5 %")
    (0.03, 0.025)

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= MOST_PERCENT:
        raise typer.BadParameter(f"{text!r} is not a percentage from 0% to 100%, such as 3%")
    return percent / 100


def quantize(
    checkpoint: CheckpointArgument = "latest",
    *,
    until: Annotated[
        float | None,
        typer.Option(
            "--until",
            metavar="PERCENT",
            parser=above_full,
            help="Keep learning as a ternary brain, in a separate run, until its held-out loss is within this much of "
            "full precision, such as 3%.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Keep learning for at most this many steps.")
    ] = 5000,
    bits: Annotated[Literal["1.6", "2"], typer.Option("--bits", help="Bits per weight in the file.")] = "1.6",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=given_path,
            help="File to write; by default here, named after the checkpoint.",
        ),
    ] = None,
    force: ForceOption = False,
    home: HomeOption = None,
    port: PortOption = DEFAULT_PORT,
    as_json: JsonOption = False,
) -> None:
    """Make a brain ternary (BitNet b1.58), packed into a file a twelfth of the size or less, to ask and evaluate."""
    from daemon.cli.output import print_json
    from daemon.home import Home

    opened = Home.open(home, create=False)
    target = _target(output, force=force)
    goal = None
    if until is not None:
        goal = _goal(opened, checkpoint, until)
        ended = _learn_on(opened, goal, steps=steps, port=port, as_json=as_json)
        if ended:
            raise typer.Exit(ended)
        checkpoint = _newest(opened)
    result = _call("quantise", opened, checkpoint, target, bits=bits)
    result["goal"] = goal
    if as_json:
        print_json(result)
    else:
        _print(result)


def _target(output: Path | None, *, force: bool) -> Path | None:
    """The file to write, checked before anything slow begins.

    Raises:
        UsageError: it cannot be written there.
    """
    from daemon.system.paths import as_path
    from daemon.whole_file import check_writable

    if output is None:
        return None
    output = as_path(output)
    check_writable(output, force=force, option="--output")
    return output


def _goal(home: Home, checkpoint: str, until: float) -> dict[str, Any]:
    """The loss to reach, and the checkpoint to continue from.

    Raises:
        UsageError: nothing is held out, or it learns as a ternary brain already, for no such loss.
    """
    from daemon.errors import UsageError

    begun: dict[str, Any] = _call("loss_of", home, checkpoint)
    name, bpc = begun["checkpoint"], begun["bpc"]
    if bpc is None:
        raise UsageError(
            "nothing is held out, so no loss can be compared: its sources are too small for a block of 4 KiB in a "
            "hundred; quantize without --until"
        )
    if begun["is_ternary"]:
        if begun["target_bpc"] is None:
            raise UsageError(
                f"{name} is ternary already, so its loss in full precision is unknown; keep learning: synapsed resume "
                f"{name}{home.flag}, then pack it: synapsed quantize {name}{home.flag}"
            )
        return {**begun, "full_bpc": None}
    return {**begun, "full_bpc": bpc, "target_bpc": bpc * (1 + until)}


def _learn_on(home: Home, goal: dict[str, Any], *, steps: int, port: int, as_json: bool) -> int:
    """Learn in a daemon of its own, which knows no torch and outlives us; its exit code."""
    words = [
        "resume",
        goal["checkpoint"],
        "--home",
        str(home.root),
        "--port",
        str(port),
        "--steps",
        str(steps),
    ]
    words += ["--set", f"limits.held_out_bpc={goal['target_bpc']:.6f}"]
    if not goal["is_ternary"]:
        words += ["--fork", "--set", "brain.ternary=true"]
    write = err().say if as_json else say
    write(
        f"Held-out BPC {goal['bpc']:.4f} over {counted(goal['num_bytes'], 'byte')}; learning on as a ternary brain "
        f"until {goal['target_bpc']:.4f}, for {counted(steps, 'step')} at most"
    )
    child = subprocess.Popen(  # noqa: S603 - ourselves
        [*command_of("daemon"), *words],
        stdin=subprocess.DEVNULL,
        stdout=2 if as_json else None,
        env=environment(),
    )
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # it has got it as well, and is saving
            continue


def _newest(home: Home) -> str:
    """The newest checkpoint of the run that was saved last: nobody else held the home meanwhile."""
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import LATEST, resolve

    return resolve(Catalogue(home.checkpoints), LATEST).name


def _print(result: dict[str, Any]) -> None:
    from daemon.cli.output import size

    before, after = result["before"], result["after"]
    table = "" if result["table_bits"] is None else f", its table at {result['table_bits']}"
    stored = f"matrices at {result['sign_bits']:g} bits a weight{table}"
    say(
        one_line(
            f"Wrote {result['path']} ({size(result['size_bytes'])}): 1/{result['times_smaller']:.1f} of "
            f"{size(result['float_bytes'])} in single precision; {stored}"
        )
    )
    if not result["fits"]:
        say("That is more than a twelfth: what must keep its precision weighs too much in so small a brain")
    if after["bpc"] is None:
        say(one_line(result["not_measured"] or "Nothing is held out, so its loss is not measured"))
    else:
        _print_loss(after["bpc"], result)
    read, written = (
        f"{after[pace]:,.0f} bytes (before: {before[pace]:,.0f})"
        for pace in ("read_bytes_per_cpu_second", "written_bytes_per_cpu_second")
    )
    say(f"In a second of CPU it reads {read} and writes {written}")
    if (times := before["written_bytes_per_cpu_second"] / after["written_bytes_per_cpu_second"]) > SLOWER:
        say(f"It generates {times:.1f} times slower than before")
    say(f"Ask it: synapsed ask 'hello' --checkpoint {result['path']}")
    say(NO_GGUF)


def _print_loss(bpc: float, result: dict[str, Any]) -> None:
    """The loss of the file beside that in full precision, or as it learned where that is not known; and the goal."""
    goal, name = result["goal"], result["checkpoint"]
    known = goal["full_bpc"] if goal else None
    beside, what = result["before"]["bpc"], "as it learned" if result["was_ternary"] else "in full precision"
    if known is not None:
        beside, what = known, "in full precision"
    above = _above(bpc, beside)
    say(
        f"Held-out BPC {bpc:.4f} packed, {beside:.4f} {what} ({above}), over {counted(result['num_bytes'], 'byte')}"
    )
    if goal is None and not result["was_ternary"]:
        say(f"Recover it by further learning: synapsed quantize {name} --until 3%")
    elif goal is not None and bpc > goal["target_bpc"]:
        say(
            f"The goal of {goal['target_bpc']:.4f} is not reached; keep learning: synapsed quantize {name} --until 3%"
        )
    elif goal is not None:
        say(f"The goal of {goal['target_bpc']:.4f} is reached")


def _above(loss: float, full: float) -> str:
    """How far a loss is above another.

    >>> _above(2.06, 2.0), _above(1.9, 2.0)
    ('+3.0 %', '-5.0 %')
    """
    return f"{100 * (loss / full - 1):+.1f} %"


def _call(function: str, home: Home, checkpoint: str, *arguments: Any, **settings: Any) -> Any:
    """Call a function of `quantising` by name: nothing of the command line may import torch."""
    module = importlib.import_module("daemon.trainer.offline.quantising")
    return getattr(module, function)(home, checkpoint, *arguments, **settings)
