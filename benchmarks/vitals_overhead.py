"""Steps a second with all vital signs on beside the same training with them off.

Two trainers of the default preset learn in short turns: while one runs the other stands still, so that what else
the machine does falls on both alike. Each pair changes the order. A look comes seldom and costs much at once, so
rates are taken over all turns together; the ratio's standard error is the jackknife's over pairs.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.result import Result, judged
from daemon.config_loading import config_to_dict, resolve_config
from daemon.home import Home
from daemon.protocol import Command, Goodbye, Outcome, Report, TrainerOrder
from daemon.trainer.process import trainer_main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

AT_LEAST = 0.99
WARM_UP_STEPS = 60  # past the first look, which finds the coordinates
TIMEOUT_SECONDS = 300.0


def run(*, long: bool) -> list[Result]:
    """Ratio of steps a second over all turns."""
    pairs, turn_seconds = (120, 10.0) if long else (24, 10.0)
    with tempfile.TemporaryDirectory(prefix="synapsed-vitals-") as folder:
        trainers = [Trainer.spawn(Path(folder), vitals=vitals) for vitals in (True, False)]
        try:
            for trainer in trainers:
                trainer.warm_up()
            turns: list[tuple[Turn, Turn]] = []
            for pair in range(pairs):
                order = trainers if pair % 2 == 0 else trainers[::-1]
                taken = {trainer.vitals: trainer.turn(turn_seconds) for trainer in order}
                turns.append((taken[True], taken[False]))
        finally:
            for trainer in trainers:
                trainer.end()
    ours, theirs = (rate(side) for side in zip(*turns, strict=True))
    return [
        judged(
            "vitals_overhead",
            measures="steps a second of the default preset with all vital signs on, over those with them off",
            ours=ours,
            peers={"vital signs off": theirs},
            unit="steps/s",
            at_least=AT_LEAST,
            of="ratio",
            long=long,
            details={
                "standard_error": jackknife(turns),
                "ratios": [rate([on]) / rate([off]) for on, off in turns],
                "governor": trainers[0].points,
                "looks": trainers[0].looks,
                "turn_seconds": turn_seconds,
            },
        )
    ]


class Turn(NamedTuple):
    """Steps learned, and the seconds they took."""

    steps: int
    seconds: float


def rate(turns: Sequence[Turn]) -> float:
    """Steps a second over all turns."""
    return sum(turn.steps for turn in turns) / sum(turn.seconds for turn in turns)


def jackknife(turns: Sequence[tuple[Turn, Turn]]) -> float:
    """Standard error of the ratio of both rates, leaving out one pair at a time."""
    without = []
    for index in range(len(turns)):
        on, off = zip(*turns[:index], *turns[index + 1 :], strict=True)
        without.append(rate(on) / rate(off))
    return statistics.pstdev(without) * math.sqrt(len(turns) - 1)


class Trainer:
    """A trainer process that learns only while its rate is taken."""

    def __init__(self, process: BaseProcess, connection: Connection, *, vitals: bool) -> None:
        self.vitals = vitals
        self.points: dict[str, float] = {}  # what the governor said last
        self.looks = 0
        self._process, self._connection = process, connection
        self._times: list[float] = []
        self._step = 0
        self._num_commands = 0

    @classmethod
    def spawn(cls, folder: Path, *, vitals: bool) -> Trainer:
        """Start one in a home of its own."""
        home = Home.open(folder / ("on" if vitals else "off"))
        home.prepare()
        overrides = {"vitals.enabled": vitals, "checkpoint.every_seconds": 3600.0}
        config = resolve_config(preset="default", overrides=overrides, environ={})
        order = TrainerOrder(home=home.root, run_id="r-bench", session=1, config=config_to_dict(config))
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=trainer_main, args=(order, theirs), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours, vitals=vitals)

    def warm_up(self) -> None:
        """Learn the first steps, then stand still."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self._step < WARM_UP_STEPS:
            self._hear(deadline)
        self._command("pause")

    def turn(self, seconds: float) -> Turn:
        """Learn for a while, up to the last step told; a look just behind it is missed, once in a great while."""
        self._command("continue")
        self._times, began = [], time.time()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._connection.poll(deadline - time.monotonic()):
                self._hear(deadline + TIMEOUT_SECONDS)
        self._command("pause")
        return Turn(len(self._times), self._times[-1] - began)

    def end(self) -> None:
        """End it; what it learned is thrown away."""
        self._process.kill()
        self._process.join(TIMEOUT_SECONDS)
        self._connection.close()

    def _command(self, action: str) -> None:
        self._num_commands += 1
        identity = f"c{self._num_commands}"
        self._connection.send(Command(id=identity, action=action))  # type: ignore[arg-type]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (isinstance(message := self._hear(deadline), Outcome) and message.id == identity):
            pass

    def _hear(self, deadline: float) -> object:
        if not self._connection.poll(max(0.0, deadline - time.monotonic())):
            raise TimeoutError("the trainer says nothing")
        message = self._connection.recv()
        if isinstance(message, Goodbye):
            raise RuntimeError(f"the trainer ended: {message.error}")  # noqa: TRY004 - it is no wrong type
        if isinstance(message, Report):
            self._step = message.step
            self._times += message.columns.get("time", [])
            self.looks += any(reading["name"] == "phi" for reading in message.readings)
            self.points.update({name: value for name, _, _, value in message.points if "vitals_" in name})
        return message
