"""Steps a second with all vital signs on beside the same training with them off.

One brain of the default preset learns in short turns, looked at in one and not in the next; the order changes from
pair to pair. One process serves both, since two of the same kind may differ by a tenth for as long as they live. A
look comes seldom and costs much at once, so rates are taken over all turns together; the ratio's standard error is
the jackknife's over pairs.
"""

from __future__ import annotations

import importlib
import math
import multiprocessing
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.result import Result, Spread, judged
from daemon.trainer.process import settle_process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

AT_LEAST = 0.99


class Turn(NamedTuple):
    """Steps learned, and the seconds they took."""

    steps: int
    seconds: float


def run(*, long: bool) -> list[Result]:
    """Ratio of steps a second over all turns."""
    pairs, turn_seconds = (180, 10.0) if long else (30, 10.0)
    with tempfile.TemporaryDirectory(prefix="synapsed-vitals-") as folder:
        turns, details = measured_apart(Path(folder), pairs, turn_seconds)
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
            spread=Spread(
                what=f"the standard error of the ratio over {pairs} pairs of turns", ratio=jackknife(turns)
            ),
            details={
                "standard_error": jackknife(turns),
                "ratios": [round(rate([on]) / rate([off]), 3) for on, off in turns],
                "turn_seconds": turn_seconds,
                **details,
            },
        )
    ]


def measured_apart(
    folder: Path, pairs: int, seconds: float
) -> tuple[list[tuple[Turn, Turn]], dict[str, Any]]:
    """The turns, on and off, of a process that is settled as a trainer's is before torch loads."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=measure, args=(theirs, folder, pairs, seconds), daemon=True)
    process.start()
    theirs.close()
    try:
        measured: tuple[list[tuple[Turn, Turn]], dict[str, Any]] = ours.recv()
    except EOFError:
        raise RuntimeError("the process that is measured ended; its error stands above") from None
    process.join()
    return measured


def measure(connection: Connection, folder: Path, pairs: int, seconds: float) -> None:
    """Entry of that process."""
    settle_process()
    taking_turns = importlib.import_module("benchmarks.taking_turns")  # the one place where torch comes in
    connection.send(taking_turns.take_turns(folder, pairs, seconds))


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
