"""Commands on a checkpoint, daemon or not: export, evaluate, probe. They load torch, when they run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from daemon.cli.options import ForceOption, HomeOption, JsonOption, UnlearnedTextOption, given_path
from daemon.cli.printing import err, say
from daemon.system.counting import counted

if TYPE_CHECKING:
    from daemon.home import Home

CheckpointArgument = Annotated[
    str,
    typer.Argument(
        metavar="CKPT", help="latest, a checkpoint's name, or the path of a directory, .pt or packed file."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Checkpoints"
    app.command(rich_help_panel=panel)(export)
    app.command(rich_help_panel=panel)(evaluate)
    app.command(rich_help_panel=panel)(probe)


def export(
    checkpoint: CheckpointArgument = "latest",
    *,
    file_format: Annotated[
        Literal["pt", "hub"],
        typer.Option(
            "--format", help="pt: one file for torch.load. hub: a folder of weights, config and card, to ask."
        ),
    ] = "pt",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            parser=given_path,
            help="File or folder to write; by default here, named after the checkpoint.",
        ),
    ] = None,
    force: ForceOption = False,
    hub: Annotated[
        str | None,
        typer.Option(
            "--hub",
            metavar="OWNER/NAME",
            help="Send the folder to this private repository of huggingface.co.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --hub: write the folder, show what would be sent.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint to a single file from which a run resumes exactly, or to a folder of weights to share."""
    from daemon.cli.output import print_json, size
    from daemon.home import Home
    from daemon.system.paths import as_path, is_folder
    from daemon.whole_file import check_writable

    opened = Home.open(home, create=False)
    if file_format == "hub" or hub is not None:
        from daemon.cli.hub_export import export_to_hub

        export_to_hub(opened, checkpoint, output, force=force, repo=hub, dry_run=dry_run, as_json=as_json)
        return
    if output is not None:
        output = as_path(output)
        if not is_folder(output):
            check_writable(output, force=force, option="--output")
    written = Path(offline("export", opened, checkpoint, output or Path.cwd()))
    if as_json:
        print_json({"path": str(written), "size_bytes": written.stat().st_size, "format": file_format})
    else:
        say(f"Wrote {written} ({size(written.stat().st_size)}); resume from it: synapsed resume {written}")


def evaluate(
    checkpoint: CheckpointArgument = "latest",
    *,
    data: UnlearnedTextOption = None,
    split: Annotated[
        Literal["all", "train", "validation", "test"],
        typer.Option("--split", help="Of --data: the first 90 %, the next 5 % or the last 5 % of its bytes."),
    ] = "all",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a checkpoint on the whole held-out set: loss, loss with memory, and accuracy; or on a text."""
    from daemon.cli.output import print_json, print_table
    from daemon.home import Home

    opened = Home.open(home, create=False)
    refuse_unknown(opened, checkpoint)
    if data is not None:
        from daemon.cli.text_loss import score_text

        score_text(opened, checkpoint, data, split=split, as_json=as_json)
        return
    result = offline("evaluate", opened, checkpoint)
    if as_json:
        print_json(result)
        return
    if result["bpc"] is None:
        say(
            "Nothing is held out: its sources are too small for a block of 4 KiB in a hundred; give it more text"
        )
        return
    what = f"{checkpoint}; {result['packed']}" if result.get("packed") else checkpoint
    say(f"Held-out BPC {result['bpc']:.4f} over {counted(result['num_bytes'], 'byte')} ({what})")
    columns = ["source", "bpc"]
    if result["mixed_bpc"] is not None:
        say(f"Held-out BPC {result['mixed_bpc']:.4f} with its exact memory")
        columns.append("with memory")
    if result["accuracy"] is not None:
        say(f"Held-out accuracy {result['accuracy']:.3f} over {counted(result['num_examples'], 'example')}")
        columns += ["accuracy", "examples"]
    rows = [
        {
            "source": source,
            "bpc": bpc,
            "with memory": result["mixed_by_source"].get(source),
            "accuracy": result["accuracy_by_source"].get(source),
            "examples": result["num_examples_by_source"].get(source),
        }
        for source, bpc in result["by_source"].items()
    ]
    print_table(rows, columns, empty="")


def probe(
    checkpoint: CheckpointArgument = "latest",
    *,
    ticks: Annotated[
        int | None,
        typer.Option(
            "--ticks",
            min=1,
            max=1000,
            help="Batches to read, one measurement each; more make the errors smaller.  "
            "[default: 16, more while a vital sign warms up]",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure all vital signs of a checkpoint, each beside null controls that lack what it measures."""
    from daemon.cli.output import print_json
    from daemon.cli.probe_view import show_probe
    from daemon.home import Home

    def on_progress(control: str) -> None:
        err().say(f"Measuring: {control.replace('_', ' ')} …")

    opened = Home.open(home, create=False)
    refuse_unknown(opened, checkpoint)
    result = offline("probe", opened, checkpoint, ticks=ticks, on_progress=on_progress)
    if as_json:
        print_json(result)
    else:
        show_probe(result)


def refuse_unknown(home: Home, checkpoint: str) -> None:
    """Refuse a checkpoint that is not there before torch is loaded, which takes seconds."""
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import LATEST, resolve

    if checkpoint != LATEST:
        resolve(Catalogue(home.checkpoints), checkpoint)


def offline(function: str, home: Home, checkpoint: str, *arguments: Any, **settings: Any) -> Any:
    """Call `daemon.trainer.offline.questions.<function>(home, checkpoint, …)`; torch comes in here and nowhere else.

    By name, because nothing of the command line may import torch.
    """
    module = importlib.import_module("daemon.trainer.offline.questions")
    return getattr(module, function)(home, checkpoint, *arguments, **settings)
