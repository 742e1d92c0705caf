"""A real loop of the tiny preset in this process: nothing runs but what a test lets happen."""

from __future__ import annotations

import math
import multiprocessing
from typing import TYPE_CHECKING, Any

import torch

from daemon.trainer.assembly import assemble_parts
from daemon.trainer.link.pipe import Pipe
from daemon.trainer.link.reporting import Reporter
from daemon.trainer_protocol import Report
from tests.trainer_process import tiny_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Batch, StepReport
    from daemon.home import Home
    from daemon.trainer.life.ending import Ending
    from daemon.trainer_protocol import Goodbye, RunState


class StillLoop:
    """The parts of a trainer, that a test moves itself."""

    def __init__(self, home: Home, **settings: Any) -> None:
        self.ours, theirs = multiprocessing.Pipe()
        self.pipe = Pipe(theirs)
        self.reporter = Reporter(self.pipe)
        self.parts = assemble_parts(tiny_order(home, **settings), home, self.pipe, self.reporter)[0]
        self.parts.saver.save("first")

    @property
    def step(self) -> int:
        """Finished steps."""
        return self.parts.progress.step

    @property
    def run_state(self) -> RunState:
        """What the run is now."""
        return self.parts.standing.state

    def learn(self) -> None:
        """One step awake."""
        self.parts.waking.learn()

    def run(self, obey: Callable[[], Ending | None]) -> Goodbye:
        """Learn until that ends it."""
        return self.parts.loop.run(obey)

    def events(self) -> list[dict[str, Any]]:
        """All events so far; the last thing a test asks for."""
        self.reporter.close()
        found = []
        while self.ours.poll():
            message = self.ours.recv()
            found += message.events if isinstance(message, Report) else []
        return found

    def let_go(self) -> None:
        """Save for the last time and close what it holds."""
        self.parts.saver.save_final()
        self.parts.saver.close()
        self.ours.close()

    def watched_step(self) -> tuple[Batch, StepReport]:
        """One step awake; what was learned from, and what the brain reported."""
        seen: list[tuple[Batch, StepReport]] = []
        brain = self.parts.brain
        learn = brain.learn

        def watched(batch: Batch) -> StepReport:
            seen.append((batch, learn(batch)))
            return seen[-1][1]

        brain.learn = watched  # type: ignore[method-assign]
        try:
            self.learn()
        finally:
            brain.learn = learn  # type: ignore[method-assign]
        return seen[0]

    def skipped_step(self) -> Batch:
        """One step whose loss is not finite."""
        weights = self.parts.brain.state().model
        kept = weights["head.weight"].clone()
        with torch.no_grad():
            weights["head.weight"].fill_(math.nan)
        batch, report = self.watched_step()
        assert not report.applied
        with torch.no_grad():
            self.parts.brain.state().model["head.weight"].copy_(kept)
        return batch
