"""`synapsed train all`: compile, then train one brain after the other, each a run; then pack what learned."""

from __future__ import annotations

import dataclasses
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from daemon.cli.options import (
    DEFAULT_PORT,
    DataOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    PortOption,
    given_path,
    overrides_from,
)
from daemon.cli.printing import err, say
from daemon.cli.start_commands import begin, start_request
from daemon.cli.train_command import of_phase
from daemon.system.escaping import one_line
from daemon.system.own_modules import command_of, environment
from daemon.system.paths import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.home import Home
    from daemon.supervisor.requests import ResumeRequest, StartRequest
    from daemon.train_all_stages import Records

Only = Literal["reflex", "mingru", "mamba2", "quantize"]
OMEGA, REFLEX, MINGRU, MAMBA2, QUANTIZE = "omega", "reflex", "mingru", "mamba2", "quantize"
FILES = {
    REFLEX: ("reflex/reflex.pt",),
    MINGRU: ("mingru/mingru_lm.pt",),
    MAMBA2: ("mamba2/mamba2_omega.pt", "mamba2/best.pt"),
}
PACKED = {MINGRU: "mingru/mingru_lm.safetensors", MAMBA2: "mamba2/mamba2_omega.safetensors"}
RUNS_LOOKED_AT = 500


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for, as every stage needs it."""

    context: typer.Context
    home: Path | None
    opened: Home
    port: int
    records: Records
    as_json: bool

    def say(self, line: str) -> None:
        """Print a line; on standard error where JSON is asked for, which the runs print."""
        (err().say if self.as_json else say)(one_line(line))


def train_all(
    context: typer.Context,
    *,
    only: Annotated[Only | None, typer.Option("--only", help="This stage alone.")] = None,
    phase: Annotated[
        int,
        typer.Option(
            "--phase", min=1, max=4, help="Of mamba2; after the first it begins with models/mamba2/best.pt."
        ),
    ] = 1,
    device: DeviceOption = None,
    data: DataOption = None,
    d_model: Annotated[
        int,
        typer.Option(
            "--d-model", "--d_model", min=1, help="Width of mamba2: 256 is the demo, 768 full size."
        ),
    ] = 256,
    n_layers: Annotated[
        int,
        typer.Option(
            "--n-layers", "--n_layers", min=1, help="Blocks of mamba2: 4 is the demo, 12 full size."
        ),
    ] = 4,
    mamba_epochs: Annotated[int, typer.Option("--mamba-epochs", min=1, help="Passes of mamba2.")] = 3,
    mingru_epochs: Annotated[int, typer.Option("--mingru-epochs", min=1, help="Passes of mingru.")] = 1,
    reflex_epochs: Annotated[int, typer.Option("--reflex-epochs", min=1, help="Passes of reflex.")] = 100,
    skip_omega: Annotated[
        bool, typer.Option("--skip-omega", help="Do not compile ahead; who needs it compiles then.")
    ] = False,
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FOLDER",
            parser=given_path,
            help="Where the files go; else models in the home.",
        ),
    ] = None,
    home: HomeOption = None,
    port: PortOption = DEFAULT_PORT,
    as_json: JsonOption = False,
) -> None:
    """Omega, reflex, minGRU, Mamba-2, quantize: one stage after another; repeat the command to resume."""
    from brain.registry import brains
    from daemon.errors import UsageError
    from daemon.home import Home
    from daemon.system.paths import as_path
    from daemon.train_all_stages import Records

    opened = Home.open(home)
    folder = opened.root / "models" if models is None else as_path(models).absolute()
    asked = Asked(
        context=context, home=home, opened=opened, port=port, records=Records(folder), as_json=as_json
    )
    names = [name for name in (OMEGA, REFLEX, MINGRU, MAMBA2, QUANTIZE) if only in {None, name}]
    if only in {MINGRU, MAMBA2}:
        names.insert(0, OMEGA)
    if skip_omega:
        names = [name for name in names if name != OMEGA]
    if REFLEX in names and REFLEX not in brains.names():
        raise UsageError(f"there is no brain {REFLEX} here; leave --only out, or name another stage")
    if only == REFLEX and data:
        raise UsageError(
            "--data is for mingru and mamba2; a reflex of your own: synapsed train --brain reflex --data FILE.csv"
        )
    if (found := _nearest_there(folder)) is not None and not found.is_dir():
        raise UsageError(f"--models {shown(folder)}: {shown(found)} is a file, not a folder")
    on, read = overrides_from(device=device), overrides_from(data=data, device=device)
    small = {"brain.kind": MINGRU, "stream.mix": "sequential", "limits.epochs": mingru_epochs, **read}
    sizes = {"brain.hidden_size": d_model, "brain.num_layers": n_layers, "limits.epochs": mamba_epochs}
    # Whether a later phase has something to begin with is looked at before any stage takes its time.
    large = {**_mamba2(folder, phase), **sizes, **read} if MAMBA2 in names else {}
    for name, settings in ((MINGRU, small), (MAMBA2, large)):
        if name in names:
            start_request(None, settings, None)  # so is every setting, and the data
    stages: dict[str, Callable[[], None]] = {
        OMEGA: lambda: _omega(asked),
        REFLEX: lambda: _trained(
            asked, REFLEX, {"brain.kind": REFLEX, "limits.epochs": reflex_epochs, **on}, record=REFLEX
        ),
        MINGRU: lambda: _trained(asked, MINGRU, small, record=MINGRU),
        MAMBA2: lambda: _trained(
            asked, MAMBA2, large, record=_of_phase(phase), built_on=_before(asked.records, phase)
        ),
        QUANTIZE: lambda: _quantized(asked),
    }
    for number, name in enumerate(names, start=1):
        asked.say(f"[{number}/{len(names)}] {name}")
        stages[name]()
    asked.say(f"Done: {folder}")


def _nearest_there(folder: Path) -> Path | None:
    """The folder itself or the nearest above it that is there; None: none is."""
    return next((path for path in (folder, *folder.parents) if path.exists()), None)


def _mamba2(folder: Path, phase: int) -> dict[str, Any]:
    """The settings of the large brain; after the first phase it begins with the best of the one before."""
    from daemon.errors import UsageError

    best = folder / FILES[MAMBA2][1]
    if phase > 1 and not best.is_file():
        raise UsageError(
            f"--phase {phase} begins with {shown(best)}, which is not there; train phase 1 first"
        )
    settings = {"brain.kind": "tars", "stream.mix": "sequential", **of_phase("tars", phase, str(best))}
    return settings | ({"pretrained": str(best)} if phase > 1 else {})


def _of_phase(phase: int) -> str:
    """What the record of a phase is called."""
    return f"{MAMBA2} phase {phase}"


def _before(records: Records, phase: int) -> list[str | None]:
    """Fingerprints of the phases before, on which one is built."""
    return [records.fingerprint_of(_of_phase(number)) for number in range(1, phase)]


def _omega(asked: Asked) -> None:
    """Compile the loops and compare them, in a process of its own, which loads torch.

    What they cost not to have is time alone, so a failure ends nothing.
    """
    ended = subprocess.run(  # noqa: S603 - ourselves
        command_of("brain.omega"),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=2 if asked.as_json else None,
        check=False,
    )
    if ended.returncode:
        asked.say("Nothing is compiled; the stages continue without it")


def _trained(
    asked: Asked, stage: str, settings: dict[str, Any], *, record: str, built_on: Sequence[str | None] = ()
) -> None:
    """One brain, trained from the start or resumed; then its files.

    Args:
        asked: for.
        stage: its name.
        settings: of its run.
        record: what it is called in the records.
        built_on: fingerprints of what it begins with.

    Raises:
        typer.Exit: it was stopped, or it failed; with its exit code.
    """
    from daemon.train_all_stages import SHORT, fingerprint

    request = start_request(None, settings, None)
    mark = fingerprint(
        stage, dataclasses.asdict(request.config), list(built_on), data=request.config.stream.data
    )
    if asked.records.is_done(record, mark):
        asked.say(f"{stage} is done already")
        return
    name = f"train-all {stage} {mark[:SHORT]}"
    run = _run_called(asked.opened, name)
    if run is None or run["state"] != "finished":
        _learn(asked, _going_on(asked.opened, run) or start_request(None, settings, name))
        run = _run_called(asked.opened, name)
    if run is None or run["state"] != "finished":
        asked.say(f"{stage} was stopped; repeat the command to resume it")
        raise typer.Exit(0)
    files = [asked.records.folder / file for file in FILES[stage]]
    for file, checkpoint in zip(files, _checkpoints_of(asked.opened, run["id"]), strict=False):
        file.parent.mkdir(parents=True, exist_ok=True)
        _command(asked, "export", checkpoint, "--output", str(file), "--force")
    asked.records.record(record, mark, files)


def _learn(asked: Asked, request: StartRequest | ResumeRequest) -> None:
    try:
        begin(
            asked.context,
            request,
            home_path=asked.home,
            host="127.0.0.1",
            port=asked.port,
            allow_remote=False,
            public_url=None,
            detach=False,
            open_browser=False,
            as_json=asked.as_json,
        )
    except typer.Exit as ended:
        if ended.exit_code:
            raise


def _quantized(asked: Asked) -> None:
    """Every language brain that was trained, packed."""
    from daemon.train_all_stages import fingerprint

    folder = asked.records.folder
    trained = {stage: folder / FILES[stage][-1] for stage in PACKED if (folder / FILES[stage][-1]).is_file()}
    if not trained:
        from daemon.errors import UsageError

        raise UsageError("there is nothing to quantize yet: train mingru or mamba2 first")
    mark = fingerprint(QUANTIZE, data=map(str, trained.values()))
    if asked.records.is_done(QUANTIZE, mark):
        asked.say(f"{QUANTIZE} is done already")
        return
    files = []
    for stage, source in trained.items():
        files.append(asked.records.folder / PACKED[stage])
        _command(asked, "quantize", str(asked.records.folder / source), "--output", str(files[-1]), "--force")
    asked.records.record(QUANTIZE, mark, files)


def _command(asked: Asked, *words: str) -> None:
    """One of our own commands, which loads torch, in a process of its own.

    Raises:
        typer.Exit: it failed, with its exit code.
    """
    home = ["--home", str(asked.opened.root)]
    ended = subprocess.run(  # noqa: S603 - ourselves
        [*command_of("daemon"), *words, *home],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=2 if asked.as_json else None,
        check=False,
    )
    if ended.returncode:
        raise typer.Exit(ended.returncode)


def _run_called(home: Home, name: str) -> dict[str, Any] | None:
    """The newest run of that name; None where there is none."""
    from daemon.errors import NotFoundError
    from daemon.store.read_only import opened_to_read
    from daemon.supervisor.run_rows import listed

    try:
        with opened_to_read(home.database) as (reader, _):
            items, _ = listed(reader, None, RUNS_LOOKED_AT)
    except NotFoundError:
        return None
    return next((item for item in items if item["name"] == name), None)


def _going_on(home: Home, run: dict[str, Any] | None) -> ResumeRequest | None:
    """How to resume a run that has not finished; None if it saved nothing.

    The newest run of all is resumed as `latest`, which the daemon looks up once it has waited for the trainer of one
    that was killed: that may be saving still.
    """
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import LATEST
    from daemon.supervisor.requests import ResumeRequest

    catalogue = Catalogue(home.checkpoints)
    if run is None or (newest := catalogue.latest(run["id"])) is None:
        return None
    is_newest = catalogue.runs()[0] == run["id"]
    return ResumeRequest(checkpoint=LATEST if is_newest else newest.name)


def _checkpoints_of(home: Home, run_id: str) -> list[str]:
    """The newest checkpoint of a run, and its best."""
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.errors import NoCheckpointError

    catalogue = Catalogue(home.checkpoints)
    newest = catalogue.latest(run_id)
    if newest is None:
        raise NoCheckpointError(f"run {run_id} has no sound checkpoint left; delete it and train again")
    return [newest.name, (catalogue.best(run_id) or newest).name]
