"""Commands that list: runs, checkpoints, events, alarms, schedule, presets, brains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brain.nearest_name import did_you_mean
from daemon.cli.options import HomeOption, JsonOption
from daemon.cli.order_commands import connect
from daemon.cli.printing import say
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from daemon.home import Home

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="How many to show, newest first.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Look"
    app.command(rich_help_panel=panel)(runs)
    app.command(rich_help_panel=panel)(checkpoints)
    app.command(rich_help_panel=panel)(events)
    app.command(rich_help_panel=panel)(alarms)
    app.command(rich_help_panel=panel)(schedule)
    app.command(rich_help_panel=panel)(presets)
    app.command(rich_help_panel=panel)(brains)


def runs(limit: LimitOption = 20, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the runs of this home; works without a daemon."""
    from daemon.cli.home_history import history_of, state_of
    from daemon.cli.output import duration, local_time, print_json, print_table
    from daemon.home import Home

    with history_of(Home.open(home, create=False)) as history:
        items = history.runs(limit)
    if as_json:
        print_json(items)
        return
    rows = [
        {
            **run,
            "state": state_of(history, run),
            "bpc": newest_loss(run.get("latest") or {}),
            "learned_for": duration(run["training_seconds"]),
            "started": local_time(run["started_at"]),
        }
        for run in items
    ]
    columns = ("id", "name", "state", "step", "bpc", "learned_for", "started", "checkpoint")
    print_table(rows, columns, empty="No run has been started here yet: synapsed start")


def newest_loss(latest: dict[str, Any]) -> float | None:
    """The mean loss of the newest steps, as status shows it; before there is one the newest loss.

    >>> newest_loss({"bpc": 3.9, "recent_bpc": 2.5}), newest_loss({"bpc": 3.9})
    (2.5, 3.9)
    """
    found: float | None = latest.get("recent_bpc", latest.get("bpc"))
    return found


def checkpoints(
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only this run.")] = None,
    limit: LimitOption = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the checkpoints, newest first; works without a daemon."""
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.disk_cap import damaged
    from daemon.cli.client import DaemonClient
    from daemon.cli.output import local_time, print_json, print_table, size
    from daemon.home import Home

    opened = Home.open(home, create=False)
    if opened.read_daemon_file() is not None:
        with DaemonClient.connect(opened) as daemon:
            items = list(daemon.items("/checkpoints", limit=limit, run=run_id))
            if not items and run_id is not None:
                daemon.run(run_id)  # refuses one that there is not
    else:
        items = _checkpoints_on_disk(opened, run_id)[:limit]
        if not items and run_id is not None:
            _refuse_run_without_checkpoints(opened, run_id)
    if as_json:
        print_json(items)
        return
    rows = [
        {
            **item,
            "bpc": item.get("recent_bpc"),
            "smooth_bpc": item["bpc"],
            "size": size(item["size_bytes"]),
            "saved": local_time(item["created_at"]),
        }
        for item in items
    ]
    columns = ("id", "run", "step", "bpc", "smooth_bpc", "reason", "size", "saved", "pinned", "best")
    print_table(rows, columns, empty=f"There is no checkpoint in {opened.checkpoints}")
    aside = damaged(Catalogue(opened.checkpoints))
    if aside:
        say(
            f"{len(aside)} damaged kept aside in {opened.checkpoints} ({size(sum(aside.values()))}): "
            f"{', '.join(aside)}. Nobody deletes them but you"
        )


def events(
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only this run.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only this kind, such as checkpoint_saved.")
    ] = None,
    limit: LimitOption = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened, newest last (with --json, newest first); works without a daemon."""
    from daemon.cli.home_history import history_of
    from daemon.cli.output import local_time, print_json
    from daemon.home import Home

    with history_of(Home.open(home, create=False)) as history:
        items = history.events(run_id, kind, limit)
    if not items and kind is not None:
        _refuse_unknown_kind(kind)
    if as_json:
        print_json(items)
        return
    for event in reversed(items):
        mark = {"warning": "! ", "error": "!! "}.get(event["severity"], "")
        say(f"{local_time(event['time'])}  {event['kind']:<22}  {mark}{one_line(event['message'])}")
    if not items:
        say("Nothing has happened yet." if kind is None else f"There has been no {kind} yet.")


def alarms(
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only this run.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Include alarms that have cleared.")] = False,
    acknowledge: Annotated[
        str | None, typer.Option("--acknowledge", metavar="ALARM", help="Mark this alarm as seen.")
    ] = None,
    limit: LimitOption = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the vital signs warn about, why, and what to do; works without a daemon."""
    from daemon.cli.home_history import history_of
    from daemon.cli.output import local_time, print_json
    from daemon.home import Home

    if acknowledge is not None:
        with connect(home) as daemon:
            alarm = daemon.post(f"/alarms/{acknowledge}/acknowledge")
        print_json(alarm) if as_json else say(f"{alarm['kind']} of {alarm['run']}: acknowledged")
        return
    with history_of(Home.open(home, create=False)) as history:
        items = history.alarms(run_id, active=not every, limit=limit)
        if not items and run_id is not None:
            history.run(run_id)  # refuses one that there is not
    if as_json:
        print_json(items)
        return
    for alarm in items:
        mark = {"warning": "! ", "error": "!! "}.get(alarm["severity"], "")
        state = f"cleared {local_time(alarm['cleared_at'])}" if alarm["cleared_at"] else "up"
        seen = ", acknowledged" if alarm["acknowledged_at"] else ""
        say(f"{mark}{one_line(alarm['message'])}")
        say(f"    {alarm['id']}  since {local_time(alarm['raised_at'])}, {state}{seen}")
    if not items:
        say("There have been no alarms yet." if every else "There are no alarms.")


def schedule(
    job: Annotated[
        str | None, typer.Argument(help="Job to change or run; without one, all are listed.")
    ] = None,
    *,
    pause: Annotated[bool | None, typer.Option("--pause/--continue", help="Pause or continue it.")] = None,
    every_seconds: Annotated[
        float | None, typer.Option("--every-seconds", min=1, help="New period, in seconds.")
    ] = None,
    cron: Annotated[str | None, typer.Option("--cron", help="New times, such as '0 3 * * *'.")] = None,
    run_now: Annotated[bool, typer.Option("--run", help="Run it now and wait for it.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the scheduled jobs; pause, move or run one."""
    from daemon.cli.output import local_time, print_json, print_table
    from daemon.errors import UsageError

    change = {"paused": pause, "every_seconds": every_seconds, "cron": cron}
    change = {key: value for key, value in change.items() if value is not None}
    if job is None and (change or run_now):
        raise UsageError("name the job to change: synapsed schedule JOB …; list them: synapsed schedule")
    result: dict[str, Any] | list[dict[str, Any]]
    with connect(home) as daemon:
        if job is not None and change:
            result = daemon.patch(f"/schedule/{job}", change)
        elif job is not None and run_now:
            result = daemon.finished(daemon.post(f"/schedule/{job}/run"))
        else:
            listed = daemon.get("/schedule")
            jobs = listed["items"] if isinstance(listed, dict) else listed
            result = [entry for entry in jobs if job in (None, entry["id"])]
            if not result:
                names = [entry["id"] for entry in jobs]
                hint = did_you_mean(job or "", names, otherwise=f"there are {', '.join(names)}")
                raise UsageError(f"no job is called {job!r}{hint}")
    if as_json:
        print_json(result)
    elif run_now and isinstance(result, dict):
        say(f"{job}: done")
    else:
        rows = [
            {**entry, "next": local_time(entry["next_run"]), "last": local_time(entry["last_run"])}
            for entry in (result if isinstance(result, list) else [result])
        ]
        columns = ("id", "summary", "trigger", "next", "paused", "last", "last_outcome")
        print_table(rows, columns, empty="No job is scheduled.")


def presets(as_json: JsonOption = False) -> None:
    """List the presets: ready-made runs."""
    from daemon.cli.output import print_json, print_table
    from daemon.config.loading import list_presets
    from daemon.config.setting_upgrades import config_to_dict

    rows = [
        {"name": preset.name, "summary": preset.summary, "config": config_to_dict(preset.config)}
        for preset in list_presets()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ("name", "summary"), empty="No preset is installed.")


def brains(as_json: JsonOption = False) -> None:
    """List the kinds of brain and their settings."""
    from daemon.cli.output import print_json
    from daemon.config.loading import list_brains

    kinds = list_brains()
    if as_json:
        print_json(kinds)
        return
    for kind in kinds:
        say(f"{kind['kind']}: {kind['summary']}")
        for name, setting in kind["settings"]["properties"].items():
            say(f"  brain.{name} = {json.dumps(setting.get('default'))}")


def _refuse_unknown_kind(kind: str) -> None:
    """Refuse a kind that no event has; a stored event of an older version may be of another than these."""
    import daemon.events
    from brain.nearest_name import did_you_mean
    from daemon.errors import UsageError
    from daemon.events import Event

    found = [getattr(daemon.events, name) for name in daemon.events.__all__]
    kinds = sorted(
        one.kind() for one in found if isinstance(one, type) and issubclass(one, Event) and one is not Event
    )
    if kind in kinds:
        return
    hint = did_you_mean(kind, kinds, otherwise=f"there are {', '.join(kinds)}")
    raise UsageError(f"no event is of kind {one_line(kind)!r}{hint}")


def _refuse_run_without_checkpoints(home: Home, run_id: str) -> None:
    from brain.nearest_name import did_you_mean
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.errors import NotFoundError

    runs = Catalogue(home.checkpoints).runs()
    hint = did_you_mean(run_id, runs, otherwise="list the runs: synapsed runs")
    raise NotFoundError(f"no checkpoint in {home.checkpoints} is of a run {one_line(run_id)!r}{hint}")


def _checkpoints_on_disk(home: Home, run_id: str | None) -> list[dict[str, Any]]:
    """The checkpoints of a home in the API's form, read from their manifests."""
    from datetime import UTC, datetime

    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.retention import best_of, by_run

    infos = Catalogue(home.checkpoints).list(run_id)
    best = {info.name for own in by_run(infos).values() if (info := best_of(own))}
    return [
        {
            "id": info.name,
            "name": info.name,
            "run": info.manifest.run_id,
            "session": info.manifest.session,
            "step": info.manifest.step,
            "samples": info.manifest.samples,
            "created_at": datetime.fromtimestamp(info.manifest.created, UTC).isoformat(),
            "reason": info.manifest.reason,
            "size_bytes": info.size_bytes,
            "bpc": info.manifest.bpc,
            "recent_bpc": info.manifest.recent_bpc,
            "pinned": info.pinned,
            "verified": info.verified,
            "best": info.name in best,
            "path": str(info.path),
        }
        for info in infos
    ]
