"""Steps a CPU second of the daemon, without the exact memory, beside a plain PyTorch loop and its brain alone.

The daemon has replay, vital signs, held-out loss, store, feed and checkpoints; its exact memory is off, since the
plain loop has none. The plain loop (`benchmarks/peers/plain_loop.py`) imports nothing from the project: it has the same
architecture written out, the same batch, loss and updates. The brain alone calls `learn` on ready-made batches. The
difference from it is the cost of the daemon, the difference from the plain loop that of the whole project.

CPU seconds are those of all threads of the process that learns, so that other programs hardly count. The details also
give the supervisor's CPU time on another core, and steps per second of wall-clock time. The three take turns: while one
runs the others are paused, so that other load on the machine affects all of them alike. The figure is the median of the
ratios of consecutive turns.
"""

from __future__ import annotations

import bisect
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from benchmarks.result import Result, Spread, judged
from daemon.cli.client import DaemonClient
from daemon.home import Home
from daemon.trainer.process import settle_process
from daemon.trainer.steps.batching import num_replayed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from daemon.config.tree import RunConfig

AT_LEAST = 0.97
START_TIMEOUT_SECONDS = 120.0
WARM_UP_STEPS = 20
LEAD_STEPS = 3  # of each turn, before it is looked at
SETTINGS: dict[str, Any] = {"brain.hippocampus_mib": 0}


PLAIN_LOOP = Path(__file__).parent / "peers" / "plain_loop.py"


class Rates(NamedTuple):
    """Steps a CPU second, or a second, in turns that followed on one another."""

    daemon: float
    plain: float
    alone: float


class Pace(NamedTuple):
    """Of one turn."""

    steps_a_cpu_second: float
    steps_a_second: float


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
                measured = measure(
                    home, serving.pid, plain, alone, rounds=rounds, window_seconds=window_seconds
                )
        finally:
            serving.terminate()
            serving.wait(START_TIMEOUT_SECONDS)
    return judge(measured.rates, measured.by_the_clock, supervisor=measured.supervisor, long=long)


def judge(
    rates: Sequence[Rates],
    by_the_clock: Sequence[Rates] = (),
    *,
    supervisor: float | None = None,
    long: bool = False,
) -> list[Result]:
    """The median of the paired ratios, beside each peer.

    Args:
        rates: steps a CPU second.
        by_the_clock: steps a second, of the same turns.
        supervisor: CPU seconds of the supervisor in one of the trainer's.
        long: whether this is the long form.
    """
    beside_plain = [round_.daemon / round_.plain for round_ in rates]
    beside_alone = [round_.daemon / round_.alone for round_ in rates]
    median = Rates(*(statistics.median(of) for of in zip(*rates, strict=True)))
    note = (
        f"Median steps a CPU second: daemon {median.daemon:.3f}, plain loop {median.plain:.3f}, brain alone "
        f"{median.alone:.3f}, all without the exact memory that the default preset has; "
        f"ratios to the plain loop {min(beside_plain):.3f}–{max(beside_plain):.3f}."
    )
    return [
        judged(
            "daemon_overhead",
            measures="steps a CPU second of the daemon without the exact memory in those of a plain PyTorch loop, "
            "median of paired ratios",
            ours=statistics.median(beside_plain),
            peers={"plain PyTorch loop": 1.0},
            unit="× plain loop",
            at_least=AT_LEAST,
            long=long,
            details={
                "rates": [round_._asdict() for round_ in rates],
                "by the clock": [round_._asdict() for round_ in by_the_clock],
                "supervisor, CPU seconds in one of the trainer's": supervisor,
                "ratios": beside_plain,
                "note": note,
            },
            spread=Spread.over("pairs", beside_plain),
        ),
        judged(
            "daemon_overhead.alone",
            measures="steps a CPU second of the daemon without the exact memory in those of its brain learning alone, "
            "median of paired ratios",
            ours=statistics.median(beside_alone),
            peers={"brain alone": 1.0},
            unit="× brain alone",
            at_least=AT_LEAST,
            long=long,
            details={"ratios": beside_alone},
            spread=Spread.over("pairs", beside_alone),
        ),
    ]


@dataclass(frozen=True)
class Turn:
    """Learn a number of steps in a process of its own; returns steps a second."""

    learn: Callable[[int], float]
    pid: int

    def __call__(self, steps: int) -> float:
        """Steps a second."""
        return self.learn(steps)

    def pace(self, steps: int) -> Pace:
        """The same, and by CPU seconds."""
        began = cpu_seconds(self.pid)
        steps_a_second = self(steps)
        return Pace(steps / (cpu_seconds(self.pid) - began), steps_a_second)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All rounds."""

    rates: list[Rates]
    by_the_clock: list[Rates]
    supervisor: float


def measure(
    home: Home, supervisor: int, plain: Turn, alone: Turn, *, rounds: int, window_seconds: float
) -> Measured:
    """Rates of each round of turns; the peers change places from round to round."""
    with wait_for_daemon(home) as client:
        run_id = client.post("/runs", {"preset": "default", "config": SETTINGS})["id"]
        wait_for_step(client, run_id, WARM_UP_STEPS)
        client.finished(client.act(run_id, "pause"))
        plain(WARM_UP_STEPS)
        alone(WARM_UP_STEPS)
        trainer, began = trainer_of(supervisor), cpu_seconds(supervisor)
        trainer_began = cpu_seconds(trainer)
        rates, by_the_clock = [], []
        for number in range(rounds):
            ours = daemon_pace(client, run_id, trainer, window_seconds)
            steps = max(1, round(ours.steps_a_second * window_seconds))
            found = {}
            for name, turn in (("plain", plain), ("alone", alone))[:: 1 if number % 2 == 0 else -1]:
                found[name] = turn.pace(steps)
            paces = {"daemon": ours, **found}
            rates.append(Rates(**{name: pace.steps_a_cpu_second for name, pace in paces.items()}))
            by_the_clock.append(Rates(**{name: pace.steps_a_second for name, pace in paces.items()}))
        spent = cpu_seconds(supervisor) - began
        return Measured(
            rates=rates, by_the_clock=by_the_clock, supervisor=spent / (cpu_seconds(trainer) - trainer_began)
        )


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process."""
    spent = psutil.Process(pid).cpu_times()
    return float(spent.user + spent.system)


def trainer_of(supervisor: int) -> int:
    """The child that learns: the one that has spent most."""
    return max((child.pid for child in psutil.Process(supervisor).children()), key=cpu_seconds)


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
        yield Turn(turn, process.pid)
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

    assert process.pid is not None
    try:
        yield Turn(turn, process.pid)
    finally:
        ours.close()
        process.join(START_TIMEOUT_SECONDS)


def daemon_pace(client: DaemonClient, run_id: str, trainer: int, seconds: float) -> Pace:
    """Continue for a while, then pause; steps and CPU seconds between two looks, away from the pauses' own saves."""
    before = client.get(f"/runs/{run_id}")["step"]
    client.finished(client.act(run_id, "continue"))
    wait_for_step(client, run_id, before + LEAD_STEPS)
    began, first = time.time(), cpu_seconds(trainer)
    time.sleep(seconds)
    ended, last = time.time(), cpu_seconds(trainer)
    client.finished(client.act(run_id, "pause"))
    after = client.get(f"/runs/{run_id}")["step"]
    series = client.get(f"/runs/{run_id}/series", metrics="bpc", **{"from": before + 1, "to": after})
    times = series["metrics"]["bpc"]["time"]
    steps = steps_at(times, ended) - steps_at(times, began)
    return Pace(steps / (last - first), steps / (ended - began))


def steps_at(times: Sequence[float], moment: float) -> float:
    """How many of the steps that ended at these times had been made by then, the one under way in part.

    >>> steps_at([1.0, 2.0, 4.0], 2.0), steps_at([1.0, 2.0, 4.0], 3.0)
    (2.0, 2.5)
    """
    made = bisect.bisect_right(times, moment)
    if not 0 < made < len(times):
        raise ValueError("the moment lies outside the recorded steps")
    return made + (moment - times[made - 1]) / (times[made] - times[made - 1])


def learn_alone(pipe: Connection) -> None:
    """`learn` on ready-made batches and nothing else; answers steps with steps a second."""
    settle_process()  # as polite as the trainer

    import torch  # noqa: PLC0415 - only this child needs it, after it has settled

    from brain.build import fresh_brain  # noqa: PLC0415
    from daemon.config.loading import resolve_config  # noqa: PLC0415

    config = resolve_config(preset="default", overrides=SETTINGS, environ={})
    torch.set_num_threads(config.threads)
    brain: Any = fresh_brain(
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
    """Wait until the run has finished `step` steps."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while client.get(f"/runs/{run_id}")["step"] < step:
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run_id} did not reach step {step}")
        time.sleep(0.2)
