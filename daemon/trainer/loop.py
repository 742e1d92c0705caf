"""The learning loop: take an experience, predict, score, remember, learn, measure, sleep, grow, save, obey.

Everything that may influence weights follows from the step or from the journal; what follows from the clock
(saving, reporting, samples, measuring) draws from random generators of its own and never touches them.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from daemon.interrupting import Interrupted
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.trainer.effects.effects import Effects
    from daemon.trainer.effects.recovery import Recovery
    from daemon.trainer.growth.neurogenesis import Growing
    from daemon.trainer.life.ending import Ending, Endings
    from daemon.trainer.life.pausing import Pauses
    from daemon.trainer.measures.measuring import Measuring
    from daemon.trainer.ports import Life
    from daemon.trainer.sleep.dreaming import Dreaming
    from daemon.trainer.sleep.sleeping import Sleeping
    from daemon.trainer.steps.intake import Intake
    from daemon.trainer.steps.step_log import StepLog
    from daemon.trainer_protocol import Goodbye


class Waking:
    """A step awake.

    Args:
        brain: that learns.
        intake: what it learns from.
        step_log: takes each step.
        recovery: from a loss that is not finite.
        measuring: beside learning.
        sleeping: may follow the step.
        growing: may follow it, too.
    """

    def __init__(
        self,
        brain: Brain,
        intake: Intake,
        *,
        step_log: StepLog,
        recovery: Recovery,
        measuring: Measuring,
        sleeping: Sleeping,
        growing: Growing,
    ) -> None:
        self._brain = brain
        self._intake = intake
        self._step_log = step_log
        self._recovery = recovery
        self._measuring = measuring
        self._sleeping = sleeping
        self._growing = growing

    def learn(self) -> None:
        """One step, unless there is nothing to read."""
        started = time.perf_counter()
        if (experience := self._intake.read()) is None:
            return
        batch = self._intake.batch(experience)
        # ------------------------------------------------------------------
        report = self._brain.learn(batch)
        # ------------------------------------------------------------------
        self._intake.remember(experience, report)
        seconds = time.perf_counter() - started
        num_samples = len(experience.length)
        self._step_log.finish(report, num_samples=num_samples, seconds=seconds, metrics=report.metrics)
        self._recovery.judge(report)
        self._measuring.measure(batch, report, self._intake.newest)
        self._sleeping.tick()
        if not self._sleeping.asleep:
            # Last: the save before a growth holds all of the step.
            self._growing.tick(batch, report)


class Loop:
    """One life of a run's learning.

    Args:
        waking: a step awake.
        dreaming: a step of sleep.
        sleeping: decides which of them comes next.
        growing: may have to finish a growth first.
        effects: of the journal.
        pauses: between steps.
        endings: by themselves, and the last.
        life: the state of the run.
    """

    def __init__(
        self,
        waking: Waking,
        dreaming: Dreaming,
        *,
        sleeping: Sleeping,
        growing: Growing,
        effects: Effects,
        pauses: Pauses,
        endings: Endings,
        life: Life,
    ) -> None:
        self._waking = waking
        self._dreaming = dreaming
        self._sleeping = sleeping
        self._growing = growing
        self._effects = effects
        self._pauses = pauses
        self._endings = endings
        self._life = life

    def run(self, obey: Callable[[], Ending | None]) -> Goodbye:
        """Learn until a person, a limit or the loss of the supervisor ends it."""
        self._life.go_on()
        self._growing.begin()
        self._effects.apply_due()
        while (ending := obey()) is None and (ending := self._endings.at_limit()) is None:
            if self._life.state is RunState.PAUSED:
                continue  # at its limit, and not saved yet
            self.take_step()
            self._pauses.save_or_pause()
            self._effects.apply_due()  # before new orders: old entries of a step take effect before new ones
        return self._endings.close(ending)

    def take_step(self) -> None:
        """One step, awake or asleep."""
        if self._sleeping.asleep:
            with suppress(Interrupted):  # the run is to end
                self._dreaming.dream()
        else:
            self._waking.learn()
