"""One learning brain, looked at by its vital signs in one turn and not in the next."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from benchmarks.lone_loop import lone_loop
from benchmarks.vitals_overhead import Turn
from daemon.config.loading import resolve_config
from daemon.trainer.life.ending import Ending
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from brain.ports import Moment
    from daemon.trainer.measures.watching import Tick, Watch
    from daemon.trainer.parts import Parts

WARM_UP_STEPS = 60  # past the first look, which finds the coordinates


class Switched:
    """The look of a watch, that can be switched off; time off is no training time to its governor."""

    def __init__(self, watch: Watch) -> None:
        self._look, self.on, self.looks = watch.look, True, 0
        self._last, self._off_seconds = 0.0, 0.0

    def look(self, moment: Moment, alive: Callable[[], object] = lambda: None) -> Tick | None:
        """As the watch does; nothing while switched off."""
        now = moment.training_seconds
        if not self.on:
            self._off_seconds += now - self._last
        self._last = now
        if not self.on:
            return None
        tick = self._look(dataclasses.replace(moment, training_seconds=now - self._off_seconds), alive)
        self.looks += tick is not None
        return tick


class Turns:
    """Called at each step's beginning, it switches the watch when a turn is over."""

    def __init__(self, switched: Switched, pairs: int, seconds: float) -> None:
        self.pairs: list[tuple[Turn, Turn]] = []  # with the signs on, and with them off
        self._switched, self._num_pairs, self._seconds = switched, pairs, seconds
        self._half: dict[bool, Turn] = {}
        self._began: tuple[int, float] | None = None

    def __call__(self, parts: Parts) -> Ending | None:
        """End the loop when all turns are taken."""
        step, now = parts.progress.step, time.perf_counter()
        if step < WARM_UP_STEPS:
            return None
        if self._began is None:
            self._began = step, now
        elif now - self._began[1] >= self._seconds:
            self._half[self._switched.on] = Turn(step - self._began[0], now - self._began[1])
            if len(self._half) == 2:
                self.pairs.append((self._half.pop(True), self._half.pop(False)))
            else:
                self._switched.on = not self._switched.on
            # So the order is on off, off on, on off: neither always comes first.
            self._began = step, now
        if len(self.pairs) == self._num_pairs:
            return Ending(state=RunState.FINISHED, reason="measured")
        return None


def take_turns(folder: Path, pairs: int, seconds: float) -> tuple[list[tuple[Turn, Turn]], dict[str, Any]]:
    """Learn for that many pairs of turns; the pairs, and the governor's own figures at the end."""
    config = resolve_config(preset="default", overrides={"checkpoint.every_seconds": 1e6}, environ={})
    with lone_loop(folder, config) as (parts, _):
        switched = Switched(parts.watch)
        parts.watch.look = switched.look  # type: ignore[method-assign]
        turns = Turns(switched, pairs, seconds)
        parts.loop.run(lambda: turns(parts))
        governor = parts.watch.points()
    return turns.pairs, {"looks": switched.looks, "governor": governor}
