"""Commands that begin something: start, resume, serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.options import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    AllowRemoteOption,
    BrainOption,
    DataOption,
    DetachOption,
    DeviceOption,
    FollowOption,
    HomeOption,
    HostOption,
    HoursOption,
    JsonOption,
    MaxNeuronsOption,
    NameOption,
    NeurogenesisOption,
    OpenOption,
    PortOption,
    PresetOption,
    PublicUrlOption,
    SetOption,
    StepsOption,
    overrides_from,
)

if TYPE_CHECKING:
    from daemon.supervisor.requests import ResumeRequest, StartRequest


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Begin"
    app.command(rich_help_panel=panel)(start)
    app.command(rich_help_panel=panel)(resume)
    app.command(rich_help_panel=panel)(serve)


def start(
    context: typer.Context,
    *,
    preset: PresetOption = None,
    brain: BrainOption = None,
    data: DataOption = None,
    follow: FollowOption = None,
    hours: HoursOption = None,
    steps: StepsOption = None,
    device: DeviceOption = None,
    neurogenesis: NeurogenesisOption = None,
    max_neurons: MaxNeuronsOption = None,
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
    """Start a new run and learn, forever or until a limit; Ctrl+C saves and ends it."""
    overrides = overrides_from(
        brain=brain,
        data=data,
        follow=follow,
        hours=hours,
        steps=steps,
        device=device,
        neurogenesis=neurogenesis,
        max_neurons=max_neurons,
        assignments=assignments,
    )
    request = start_request(preset, overrides, name)
    begin(
        context,
        request,
        home_path=home,
        host=host,
        port=port,
        allow_remote=allow_remote,
        public_url=public_url,
        detach=detach,
        open_browser=open_browser,
        as_json=as_json,
    )


def resume(
    context: typer.Context,
    checkpoint: Annotated[
        str, typer.Argument(help="latest, a checkpoint's name, or the path of a directory or .pt file.")
    ] = "latest",
    *,
    or_start: Annotated[
        bool, typer.Option("--or-start", help="If there is nothing to resume yet, start a new run.")
    ] = False,
    fork: Annotated[
        bool, typer.Option("--fork", help="Start a separate run, even from a run's newest checkpoint.")
    ] = False,
    preset: PresetOption = None,
    brain: BrainOption = None,
    data: DataOption = None,
    follow: FollowOption = None,
    hours: HoursOption = None,
    steps: StepsOption = None,
    device: DeviceOption = None,
    neurogenesis: NeurogenesisOption = None,
    max_neurons: MaxNeuronsOption = None,
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
    """Resume from a checkpoint, bit for bit; limits count from here, and settings override the stored ones."""
    from daemon.cli.text_upload import unicode_of
    from daemon.config.loading import override_config, resolve_config
    from daemon.config.presets import read_preset
    from daemon.supervisor.requests import ResumeRequest

    overrides = overrides_from(
        brain=brain,
        data=data,
        follow=follow,
        device=device,
        neurogenesis=neurogenesis,
        max_neurons=max_neurons,
        assignments=assignments,
    )
    if preset is not None:
        overrides = {**read_preset(preset)[1], **overrides}
    # A wrong setting is named now, before anything starts; the stored configuration joins in the daemon.
    limits = overrides_from(hours=hours, steps=steps)
    checked = override_config(resolve_config(environ={}), {**overrides, **limits})
    for given in ("data", "source"):  # their paths are meant from this folder
        if f"stream.{given}" in overrides:
            overrides[f"stream.{given}"] = list(getattr(checked.stream, given))
    request: StartRequest | ResumeRequest
    if or_start and _nothing_to_resume(home):
        request = start_request(preset, {**overrides, **limits}, name)
    else:
        request = ResumeRequest(
            checkpoint=checkpoint,
            overrides=overrides,
            hours=hours,
            steps=steps,
            name=None if name is None else unicode_of(name, "--name"),
            fork=fork,
        )
    begin(
        context,
        request,
        home_path=home,
        host=host,
        port=port,
        allow_remote=allow_remote,
        public_url=public_url,
        detach=detach,
        open_browser=open_browser,
        as_json=as_json,
    )


def serve(
    context: typer.Context,
    *,
    home: HomeOption = None,
    host: HostOption = DEFAULT_HOST,
    port: PortOption = DEFAULT_PORT,
    allow_remote: AllowRemoteOption = False,
    public_url: PublicUrlOption = None,
    detach: DetachOption = False,
    open_browser: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the daemon with nothing learning yet: start or resume a run from the page or over HTTP."""
    begin(
        context,
        None,
        home_path=home,
        host=host,
        port=port,
        allow_remote=allow_remote,
        public_url=public_url,
        detach=detach,
        open_browser=open_browser,
        as_json=as_json,
    )


def start_request(preset: str | None, overrides: dict[str, Any], name: str | None) -> StartRequest:
    """A new run, its settings checked at once."""
    from daemon.cli.text_upload import unicode_of
    from daemon.config.loading import resolve_config
    from daemon.supervisor.requests import StartRequest

    config = resolve_config(preset=preset, overrides=overrides)
    return StartRequest(config=config, name=None if name is None else unicode_of(name, "--name"))


def _nothing_to_resume(home_path: Path | None) -> bool:
    """Whether the home never had a checkpoint; damaged ones are no reason to start over silently."""
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.home import Home

    folder = Home.open(home_path).checkpoints
    return not Catalogue(folder).list() and not (folder.is_dir() and any(folder.iterdir()))


def begin(
    context: typer.Context,
    request: StartRequest | ResumeRequest | None,
    *,
    home_path: Path | None,
    host: str,
    port: int,
    allow_remote: bool,
    public_url: str | None,
    detach: bool,
    open_browser: bool,
    as_json: bool,
) -> None:
    """Be the daemon, here or in the background, until it ends; then leave with its exit code."""
    from daemon.cli.preflight import check_request
    from daemon.home import Home
    from daemon.public_url import PublicUrl
    from daemon.supervisor.listening import check_host

    check_host(host, allow_remote=allow_remote)
    public = PublicUrl.parse(public_url) if public_url else None
    home = Home.open(home_path)
    _warn_of_variables(request)
    check_request(request, home)
    home.token()  # made here, so that its notices reach the terminal
    if detach:
        from daemon.cli.detaching import detach as go_to_background

        go_to_background(
            home, list(context.obj), learns=request is not None, open_browser=open_browser, as_json=as_json
        )
        return

    from daemon.cli.printing import complain, out, print_in_the_background_too, stray_output_logged
    from daemon.cli.views import make_view
    from daemon.supervisor.daemon import Daemon

    print_in_the_background_too()
    view = make_view(home, as_json=as_json, open_browser=open_browser)
    daemon = Daemon(home, host=host, port=port, allow_remote=allow_remote, public_url=public, listener=view)
    with stray_output_logged():
        exit_code = daemon.run(request, exit_when_finished=request is not None)
    if exit_code == 0 and (missing := view.progress.not_written) is not None:
        complain(f"synapsed: {missing}")
        raise typer.Exit(1)
    out().lost = None  # a run that was learned is a success, whatever became of its lines
    if exit_code and daemon.reason:
        complain(f"synapsed: {daemon.reason}")
    raise typer.Exit(exit_code)


def _warn_of_variables(request: StartRequest | ResumeRequest | None) -> None:
    """Warn of SYNAPSED_* variables without effect: misspelt, or another program's."""
    from daemon.cli.printing import complain
    from daemon.config.loading import unknown_variables
    from daemon.supervisor.requests import StartRequest

    kind = str(request.config.brain["kind"]) if isinstance(request, StartRequest) else None
    for line in unknown_variables(kind=kind):
        complain(f"synapsed: {line}")
