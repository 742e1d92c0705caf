"""How soon `synapsed` is there: `--help`, the first HTTP answer after `serve`, the supervisor's memory."""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from benchmarks.result import Result, judged
from daemon.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HELP_SECONDS_MAX = 0.5
FIRST_ANSWER_SECONDS_MAX = 1.5
RESIDENT_MB_MAX = 150.0
GIVE_UP_SECONDS = 30.0
POLL_SECONDS = 0.005
SYNAPSED = (sys.executable, "-m", "daemon")

# The least any daemon of this kind must load: FastAPI behind uvicorn, one route, nothing else.
BARE_SERVER = """
import sys
import fastapi, uvicorn
app = fastapi.FastAPI()
app.get("/api/v1/health")(lambda: {"status": "ok"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical")
"""


def run(*, long: bool) -> list[Result]:
    """Medians over fresh processes; the first, which warms the file system's cache, is not counted."""
    repeats = 15 if long else 5
    help_seconds = [_seconds_of([*SYNAPSED, "--help"]) for _ in range(repeats + 1)][1:]
    bare_help = [_seconds_of([sys.executable, "-c", "import typer"]) for _ in range(repeats + 1)][1:]
    ours = [_serve() for _ in range(repeats + 1)][1:]
    bare = [_serve_bare() for _ in range(repeats + 1)][1:]
    return [
        judged(
            "startup.help",
            measures="synapsed --help, from the shell and back",
            ours=statistics.median(help_seconds),
            unit="s",
            at_most=HELP_SECONDS_MAX,
            peers={"python -c 'import typer'": statistics.median(bare_help)},
            long=long,
            details={"all": help_seconds},
        ),
        judged(
            "startup.first_answer",
            measures="from the start of synapsed serve to its first HTTP answer, in a new home",
            ours=statistics.median(seconds for seconds, _ in ours),
            unit="s",
            at_most=FIRST_ANSWER_SECONDS_MAX,
            peers={"bare FastAPI": statistics.median(seconds for seconds, _ in bare)},
            long=long,
            details={"all": [seconds for seconds, _ in ours]},
        ),
        judged(
            "startup.resident",
            measures="resident memory of the supervisor after its first answers",
            ours=statistics.median(megabytes for _, megabytes in ours),
            unit="MB",
            at_most=RESIDENT_MB_MAX,
            peers={"bare FastAPI": statistics.median(megabytes for _, megabytes in bare)},
            long=long,
            details={"all": [megabytes for _, megabytes in ours]},
        ),
    ]


def _seconds_of(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _serve() -> tuple[float, float]:
    """Seconds to the first answer of `synapsed serve`, and its resident MB after a few more."""
    with tempfile.TemporaryDirectory(prefix="synapsed-startup-") as folder:
        home = Home.open(Path(folder), environ={})
        begin = time.perf_counter()
        with _process([*SYNAPSED, "serve", "--port", "0", "--home", folder]) as process:
            while (info := home.read_daemon_file()) is None:
                _pause(begin, process)
            seconds = _until_answer(info.url, begin, process)
            headers = {"Authorization": f"Bearer {home.token()}"}
            for path in ("/runs", "/presets", "/brains", "/checkpoints", "/events"):
                httpx.get(f"{info.url}/api/v1{path}", headers=headers, trust_env=False).raise_for_status()
            return seconds, _resident_mb(process)


def _serve_bare() -> tuple[float, float]:
    """The same of the bare server."""
    port = _free_port()
    begin = time.perf_counter()
    with _process([sys.executable, "-c", BARE_SERVER, str(port)]) as process:
        seconds = _until_answer(f"http://127.0.0.1:{port}", begin, process)
        return seconds, _resident_mb(process)


@contextlib.contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SYNAPSED_")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environ)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=GIVE_UP_SECONDS)


def _until_answer(url: str, begin: float, process: subprocess.Popen[bytes]) -> float:
    with httpx.Client(trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                client.get(f"{url}/api/v1/health").raise_for_status()
                return time.perf_counter() - begin
            _pause(begin, process)


def _pause(begin: float, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"it ended with exit code {process.returncode} before it answered")
    if time.perf_counter() - begin > GIVE_UP_SECONDS:
        raise TimeoutError(f"no answer within {GIVE_UP_SECONDS:.0f} s")
    time.sleep(POLL_SECONDS)


def _resident_mb(process: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
