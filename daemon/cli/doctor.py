"""`synapsed doctor`: is everything here that a run needs?"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from daemon.cli.options import DEFAULT_HOST, DEFAULT_PORT, HomeOption, HostOption, JsonOption, PortOption

if TYPE_CHECKING:
    from daemon.home import Home

Verdict = Literal["ok", "warning", "failed"]
MARKS: dict[Verdict, str] = {"ok": "ok", "warning": "warning", "failed": "FAILED"}

LOW_DISK_BYTES = 5 * 2**30
NO_DISK_BYTES = 2**29
OLDEST_TORCH = (2, 10)
OLDEST_PYTHON = (3, 11)
BROWSERS = ("firefox", "chromium", "chromium-browser", "google-chrome", "microsoft-edge", "brave-browser")


@dataclass(frozen=True)
class Finding:
    """What one check found; only `failed` keeps a run from starting."""

    check: str
    verdict: Verdict
    detail: str


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(doctor)


def doctor(
    home: HomeOption = None,
    host: HostOption = DEFAULT_HOST,
    port: PortOption = DEFAULT_PORT,
    as_json: JsonOption = False,
) -> None:
    """Check home, disk, port, torch, device, browser and database; exit code 1 if a check fails."""
    from daemon.cli.output import print_json, print_table

    findings = list(examine(home, host, port))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [{**asdict(finding), "verdict": MARKS[finding.verdict]} for finding in findings]
        print_table(rows, ("check", "verdict", "detail"), empty="")
    if any(finding.verdict == "failed" for finding in findings):
        raise typer.Exit(1)


def examine(home_path: Path | None, host: str, port: int) -> Iterator[Finding]:
    """Every check in turn; none touches what is there."""
    from daemon.errors import UsageError
    from daemon.home import Home

    yield check_python()
    try:
        # Looking must not make a home where there is none.
        home = Home.open(home_path, create=False)
    except UsageError as error:
        yield Finding("home", "failed", str(error))
        yield from (check_port(host, port), check_torch(), check_device(), check_browser())
        return
    yield check_home(home)
    yield check_disk(home.root)
    running = home.read_daemon_file()
    yield Finding("port", "ok", f"a daemon answers at {running.url}") if running else check_port(host, port)
    yield check_torch()
    yield check_device()
    yield check_browser()
    yield check_database(home.database)


def check_python() -> Finding:
    """The interpreter is new enough."""
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "failed", f"{version}; 3.11 or newer is needed")
    return Finding("python", "ok", f"{version} at {sys.executable}")


def check_home(home: Home) -> Finding:
    """The home can be written."""
    if not os.access(home.root, os.W_OK | os.X_OK):
        return Finding("home", "failed", f"{home.root} is not writable; choose another with --home")
    return Finding("home", "ok", str(home.root))


def check_disk(
    path: Path, *, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> Finding:
    """There is room for checkpoints."""
    from daemon.cli.output import size

    num_bytes = free(path)
    if num_bytes < NO_DISK_BYTES:
        return Finding("disk", "failed", f"{size(num_bytes)} free; checkpoints need more")
    if num_bytes < LOW_DISK_BYTES:
        return Finding(
            "disk", "warning", f"{size(num_bytes)} free; little for a long run (keep.checkpoints_gib)"
        )
    return Finding("disk", "ok", f"{size(num_bytes)} free")


def check_port(host: str, port: int) -> Finding:
    """Nothing else listens there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        detail = f"{host}:{port} cannot be used ({error.strerror or error}); choose another --port, or 0"
        return Finding("port", "failed", detail)
    return Finding("port", "ok", f"{host}:{port} is free")


def check_torch(version_of: Callable[[str], str] = metadata.version) -> Finding:
    """Torch is installed and new enough; asked of its metadata, it is not imported."""
    try:
        version = version_of("torch")
    except metadata.PackageNotFoundError:
        return Finding(
            "torch", "failed", "not installed; run ./run_dashboard.sh, or pip install 'torch>=2.10'"
        )
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST_TORCH:
        return Finding("torch", "failed", f"{version}; 2.10 or newer is needed")
    return Finding("torch", "ok", version)


def check_device() -> Finding:
    """Which device `auto` will most likely take, found without importing torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi"):
        try:
            build = metadata.version("torch").partition("+")[2]
        except metadata.PackageNotFoundError:
            build = ""
        if build.startswith("cpu"):
            detail = f"an NVIDIA GPU is here, but torch is built for the CPU; it will use {cores} cores"
            return Finding("device", "warning", detail)
        return Finding("device", "ok", f"an NVIDIA GPU, and {cores} CPU cores")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Finding("device", "ok", f"an Apple GPU (mps), and {cores} CPU cores")
    return Finding("device", "ok", f"{cores} CPU cores")


def check_browser() -> Finding:
    """Something can show the page; nothing needs it."""
    import webbrowser

    try:
        return Finding("browser", "ok", getattr(webbrowser.get(), "name", "the system's"))
    except webbrowser.Error:
        # Without a display the library looks for no graphical browser; one may be there all the same.
        for found in filter(None, map(shutil.which, BROWSERS)):
            return Finding(
                "browser", "ok", f"{found}; without a display here, open the printed address yourself"
            )
        return Finding("browser", "warning", "none found here; open the printed address in one yourself")


def check_database(where: str | Path) -> Finding:
    """The database answers, and can be written."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    from daemon.errors import UsageError
    from daemon.store.engine import database_file, parse_url
    from daemon.store.opening import refusal

    try:
        url = parse_url(where)
    except UsageError as error:
        return Finding("database", "failed", f"{error}; check SYNAPSED_DATABASE_URL")
    file = database_file(url)
    shown = str(file) if file is not None else url.render_as_string(hide_password=True)
    if file is not None and not file.exists():
        return Finding("database", "ok", f"{shown} is made at the first start")
    if file is not None and not os.access(file, os.R_OK | os.W_OK):
        return Finding("database", "failed", str(refusal(url, OSError("readonly"))))
    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                # SQLite reads nothing of a file for SELECT 1, so a damaged one would pass.
                connection.execute(text("SELECT 1" if file is None else "PRAGMA schema_version"))
        finally:
            engine.dispose()
    except ImportError as error:
        return Finding("database", "failed", f"{error}; check SYNAPSED_DATABASE_URL")
    except SQLAlchemyError as error:
        return Finding("database", "failed", str(refusal(url, error)))
    return Finding("database", "ok", shown)
