"""Steps a second of the full daemon beside a plain PyTorch loop and beside the brain learning alone.

Full means replay, vital signs, held-out loss, store, feed and checkpoints; the exact memory is off, since the plain
loop has none. The plain loop
(`benchmarks/peers/plain_loop.py`) imports nothing of the project: the same architecture written out, the same batch,
the same loss and updates. The brain alone is `learn` on ready-made batches: the difference to it is what the daemon
costs, the difference to the plain loop is what the project costs.

All learn in turn: while one runs the others stand still, so that what else the machine does falls on all alike. The
figure is the median of the ratios of turns that follow on one another.
"""

from __future__ import annotations

import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.result import Result, judged
from daemon.cli.client import DaemonClient
from daemon.home import Home
from daemon.trainer.batching import num_replayed
from daemon.trainer.process import settle_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from daemon.config.tree import RunConfig

AT_LEAST = 0.97
START_TIMEOUT_SECONDS = 120.0
WARM_UP_STEPS = 20
SETTINGS: dict[str, Any] = {"brain.hippocampus_mib": 0}


PLAIN_LOOP = Path(__file__).parent / "peers" / "plain_loop.py"


class Rates(NamedTuple):
    """Steps a second in turns that followed on one another."""

    daemon: float
    plain: float
    alone: float


def run(*, long: bool) -> list[Result]:
    """Median over rounds of the ratios of steps a second."""
    rounds, window_seconds = (12, 30.0) if long else (6, 12.0)
    with tempfile.TemporaryDirectory(prefix="synapsed-overhead-") as folder:
        home = Home.open(Path(folder))
        serving = subprocess.Popen(
            [sys.executable, "-m", "daemon", "serve", "--home", folder, "--port", "0", "--no-open"],
            stdout=subprocess.DEVNULL,
        )
        try:
            with plain_loop() as plain, lone_brain() as alone:
                rates = measure(home, plain, alone, rounds, window_seconds)
        finally:
            serving.terminate()
            serving.wait(START_TIMEOUT_SECONDS)
    return judge(rates, long=long)


def judge(rates: Sequence[Rates], *, long: bool = False) -> list[Result]:
    """The median of the paired ratios, beside each peer."""
    beside_plain = [round_.daemon / round_.plain for round_ in rates]
    beside_alone = [round_.daemon / round_.alone for round_ in rates]
    median = Rates(*(statistics.median(of) for of in zip(*rates, strict=True)))
    note = (
        f"Median steps a second: daemon {median.daemon:.3f}, plain loop {median.plain:.3f}, brain alone "
        f"{median.alone:.3f}; ratios to the plain loop {min(beside_plain):.3f}–{max(beside_plain):.3f}."
    )
    return [
        judged(
            "daemon_overhead",
            measures="steps a second of the full daemon in those of a plain PyTorch loop, median of paired ratios",
            ours=statistics.median(beside_plain),
            peers={"plain PyTorch loop": 1.0},
            unit="× plain loop",
            at_least=AT_LEAST,
            long=long,
            details={"rates": [round_._asdict() for round_ in rates], "ratios": beside_plain, "note": note},
        ),
        judged(
            "daemon_overhead.alone",
            measures="steps a second of the full daemon in those of its brain learning alone, median of paired ratios",
            ours=statistics.median(beside_alone),
            peers={"brain alone": 1.0},
            unit="× brain alone",
            at_least=AT_LEAST,
            long=long,
            details={"ratios": beside_alone},
        ),
    ]


Turn = Callable[[int], float]
"""Learn so many steps; steps a second."""


def measure(home: Home, plain: Turn, alone: Turn, rounds: int, window_seconds: float) -> list[Rates]:
    """Steps a second of each round of turns; the peers change places from round to round."""
    with wait_for_daemon(home) as client:
        run_id = client.post("/runs", {"preset": "default", "config": SETTINGS})["id"]
        wait_for_step(client, run_id, WARM_UP_STEPS)
        client.finished(client.act(run_id, "pause"))
        plain(WARM_UP_STEPS)
        alone(WARM_UP_STEPS)
        rates = []
        for number in range(rounds):
            ours = daemon_rate(client, run_id, window_seconds)
            steps = max(1, round(ours * window_seconds))
            found = {}
            for name, turn in (("plain", plain), ("alone", alone))[:: 1 if number % 2 == 0 else -1]:
                found[name] = turn(steps)
            rates.append(Rates(daemon=ours, **found))
        return rates


@contextmanager
def plain_loop() -> Iterator[Turn]:
    """The plain loop in a process of its own that cannot import the project."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(PLAIN_LOOP)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    into, out = process.stdin, process.stdout

    def turn(steps: int) -> float:
        into.write(f"{steps}\n")
        into.flush()
        answer = out.readline()
        if not answer:
            raise RuntimeError("the plain loop ended; its error stands above")
        return float(answer)

    try:
        yield turn
    finally:
        into.close()
        process.wait(START_TIMEOUT_SECONDS)
        out.close()


@contextmanager
def lone_brain() -> Iterator[Turn]:
    """The brain alone, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=learn_alone, args=(theirs,), daemon=True)
    process.start()
    theirs.close()

    def turn(steps: int) -> float:
        ours.send(steps)
        return float(ours.recv())

    try:
        yield turn
    finally:
        ours.close()
        process.join(START_TIMEOUT_SECONDS)


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


def learn_alone(pipe: Connection) -> None:
    """`learn` on ready-made batches and nothing else; answers steps with steps a second."""
    settle_process()  # as polite as the trainer

    import torch  # noqa: PLC0415 - only this child needs it, after it has settled

    from brain.build import newborn  # noqa: PLC0415
    from daemon.config.loading import resolve_config  # noqa: PLC0415

    config = resolve_config(preset="default", overrides=SETTINGS, environ={})
    torch.set_num_threads(config.threads)
    brain: Any = newborn(
        config.brain,
        optimizer=config.optimizer,
        lanes=config.stream.rows,
        device=torch.device("cpu"),
        seed=0,
    )
    batches = ready_batches(config)
    while True:
        try:
            steps = pipe.recv()
        except EOFError:
            return
        began = time.perf_counter()
        for step in range(steps):
            brain.learn(batches[step % len(batches)])
        pipe.send(steps / (time.perf_counter() - began))


def ready_batches(config: RunConfig) -> list[Any]:
    """Batches of this file's own text, with as many replayed rows as real steps have."""
    import torch  # noqa: PLC0415

    from brain.ports import Batch  # noqa: PLC0415

    length = config.stream.segment_bytes
    text = torch.frombuffer(bytearray(Path(__file__).read_bytes() * 64), dtype=torch.uint8)
    found, first = [], 0
    for step in range(16):
        lane = torch.arange(config.stream.rows)
        replayed = num_replayed(step, len(lane), config.replay.fraction)
        lane = torch.cat([lane[replayed if len(lane) > 1 else 0 :], torch.full((replayed,), -1)])
        rows = len(lane)
        found.append(
            Batch(
                bytes=text[first : first + rows * length].view(rows, length),
                mask=torch.ones(rows, length, dtype=torch.bool),
                lane=lane,
                reset=lane < 0,
                source=torch.zeros(rows, dtype=torch.int64),
            )
        )
        first += rows * length
    return found


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
