"""Steps a second of the full daemon beside a bare torch loop of the same model and batch.

Full means replay, vital signs, held-out loss, store, feed and checkpoints. Both learn in turn: while one runs
the other stands still, so that what else the machine does falls on both alike.
"""

from __future__ import annotations

import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.result import Result, judged
from daemon.cli.client import DaemonClient
from daemon.home import Home
from daemon.trainer.process import settle_process

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

AT_LEAST = 0.97
START_TIMEOUT_SECONDS = 120.0
WARM_UP_STEPS = 20


def run(*, long: bool) -> list[Result]:
    """Median over pairs of windows of the ratio of steps a second."""
    pairs, window_seconds = (12, 30.0) if long else (5, 12.0)
    with tempfile.TemporaryDirectory(prefix="synapsed-overhead-") as folder:
        home = Home.open(Path(folder))
        serving = subprocess.Popen(
            [sys.executable, "-m", "daemon", "serve", "--home", folder, "--port", "0", "--no-open"],
            stdout=subprocess.DEVNULL,
        )
        bare, child = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=bare_loop, args=(child,), daemon=True)
        process.start()
        try:
            rates = measure(home, bare, pairs, window_seconds)
        finally:
            bare.close()
            serving.terminate()
            serving.wait(START_TIMEOUT_SECONDS)
            process.join(START_TIMEOUT_SECONDS)
    ratios = [ours / theirs for ours, theirs in rates]
    return [
        judged(
            "daemon_overhead",
            measures="steps a second of the full daemon over a bare torch loop of the same model and batch",
            ours=statistics.median(ours for ours, _ in rates),
            peers={"bare torch loop": statistics.median(theirs for _, theirs in rates)},
            unit="steps/s",
            at_least=AT_LEAST,
            of="ratio",
            long=long,
            details={"pairs": rates, "ratios": ratios, "median_of_ratios": statistics.median(ratios)},
        )
    ]


def measure(home: Home, bare: Connection, pairs: int, window_seconds: float) -> list[tuple[float, float]]:
    """Steps a second (daemon, bare) of each pair of windows."""
    with wait_for_daemon(home) as client:
        run_id = client.post("/runs", {"preset": "default"})["id"]
        wait_for_step(client, run_id, WARM_UP_STEPS)
        client.finished(client.act(run_id, "pause"))
        bare.send(WARM_UP_STEPS)
        bare.recv()
        rates = []
        for _ in range(pairs):
            ours = daemon_rate(client, run_id, window_seconds)
            bare.send(max(1, round(ours * window_seconds)))
            rates.append((ours, bare.recv()))
        return rates


def daemon_rate(client: DaemonClient, run_id: str, seconds: float) -> float:
    """Continue for a while, pause, and read steps a second from the recorded times of the steps."""
    before = client.get(f"/runs/{run_id}")["step"]
    client.finished(client.act(run_id, "continue"))
    time.sleep(seconds)
    client.finished(client.act(run_id, "pause"))
    after = client.get(f"/runs/{run_id}")["step"]
    series = client.get(f"/runs/{run_id}/series", metrics="bpc", **{"from": before + 1, "to": after})
    times = series["metrics"]["bpc"]["time"]
    return float((len(times) - 1) / (times[-1] - times[0]))


def bare_loop(pipe: Connection) -> None:
    """The peer: `learn` on ready-made batches and nothing else; answers steps with steps a second."""
    settle_process()  # as polite as the trainer

    import torch  # noqa: PLC0415 - only this child needs it, after it has settled

    from brain.build import build_brain  # noqa: PLC0415
    from daemon.config.loading import resolve_config  # noqa: PLC0415

    config = resolve_config(preset="default", environ={})
    settings = dict(config.brain)
    rows, length = config.stream.rows, config.stream.segment_bytes
    brain: Any = build_brain(
        settings.pop("kind"),
        settings,
        optimizer=config.optimizer,
        lanes=rows,
        device=torch.device("cpu"),
        seed=0,
    )
    batches = ready_batches(rows, length)
    while True:
        try:
            steps = pipe.recv()
        except EOFError:
            return
        began = time.perf_counter()
        for step in range(steps):
            brain.learn(batches[step % len(batches)])
        pipe.send(steps / (time.perf_counter() - began))


def ready_batches(rows: int, length: int) -> list[Any]:
    """Batches of this file's own text, with as many replayed rows as a real step has."""
    import torch  # noqa: PLC0415

    from brain.ports import Batch  # noqa: PLC0415

    text = torch.frombuffer(bytearray(Path(__file__).read_bytes() * 64), dtype=torch.uint8)
    replayed = round(rows * 0.2)
    lane = torch.tensor([*range(rows - replayed), *([-1] * replayed)])
    return [
        Batch(
            bytes=text[first : first + rows * length].view(rows, length),
            mask=torch.ones(rows, length, dtype=torch.bool),
            lane=lane,
            reset=lane < 0,
            source=torch.zeros(rows, dtype=torch.int64),
        )
        for first in range(0, 16 * rows * length, rows * length)
    ]


def wait_for_daemon(home: Home) -> DaemonClient:
    """A client, as soon as the daemon answers."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            client = DaemonClient.connect(home)
            client.get("/runs")
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return client


def wait_for_step(client: DaemonClient, run_id: str, step: int) -> None:
    """Until the run has finished so many steps."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while client.get(f"/runs/{run_id}")["step"] < step:
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run_id} did not reach step {step}")
        time.sleep(0.2)
