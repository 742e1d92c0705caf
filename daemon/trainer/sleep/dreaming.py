"""Asleep: replay alone, taught by the stable average, undone when the probes show harm."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from brain.capabilities import Sleeper
from brain.sleep.schedule import is_worse, rate_factor
from daemon.events import CarriedOver, NonFiniteStepSkipped, SleepEnded, SleepRolledBack
from daemon.trainer.sleep.consolidation import CarryingOver
from daemon.trainer.state.sleep_state import LEARNING, MODEL
from daemon.trainer.steps.batching import replayed_batch
from daemon.trainer.steps.idling import READ
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from brain.memory.replay import ReplayMemory
    from brain.ports import Brain
    from brain.sleep.carry_over import CarryOver
    from brain.sleep.config import SleepConfig
    from daemon.trainer.measures.forgetting_watch import ForgettingWatch
    from daemon.trainer.measures.frozen_probes import Probes
    from daemon.trainer.ports import Clock, Life, Report
    from daemon.trainer.state.sleep_state import SleepInProgress, SleepState
    from daemon.trainer.steps.step_log import StepLog


class Dreaming:
    """Dreams, and wakes up.

    Args:
        state: what is remembered of sleep.
        config: how.
        rows: replayed in a step.
        device: to learn on.
        brain: that sleeps.
        replay: what it dreams of.
        probes: judge it.
        forgetting: measured again at waking.
        step_log: takes each step.
        clock: of the run.
        life: its state.
        report: takes events.
    """

    def __init__(
        self,
        state: SleepState,
        config: SleepConfig,
        *,
        rows: int,
        device: torch.device,
        brain: Brain,
        replay: ReplayMemory,
        probes: Probes,
        forgetting: ForgettingWatch,
        step_log: StepLog,
        clock: Clock,
        life: Life,
        report: Report,
    ) -> None:
        self._state = state
        self._config = config
        self._rows = rows
        self._device = device
        self._brain = brain
        self._replay = replay
        self._carrying = CarryingOver(config, brain=brain, replay=replay, clock=clock, life=life)
        self._probes = probes
        self._forgetting = forgetting
        self._step_log = step_log
        self._clock = clock
        self._life = life
        self._report = report

    def dream(self) -> None:
        """One step of sleep; the probes are scored before the first, and the run wakes up after the last.

        Raises:
            Interrupted: the run is to end in the middle of the probes; resumed, it is asleep and scores them again.
        """
        sleep = self._state.current
        assert sleep is not None
        if not sleep.scored:
            before = self._probes.score_all(self._brain, self._life.progressed)
            sleep.carried = self._carrying.choose(sleep.steps, self._rows)
            sleep.before, sleep.scored = None if math.isnan(before) else before, True
        if sleep.done < sleep.steps and len(self._replay):
            self._step(sleep)
        if sleep.done >= sleep.steps or not len(self._replay):  # all of it may be forgotten meanwhile
            self._wake_up(sleep)

    def _step(self, sleep: SleepInProgress) -> None:
        started = time.perf_counter()
        assert isinstance(self._brain, Sleeper)
        replayed = self._carrying.replayed(sleep.carried, sleep.done, self._rows)
        batch = replayed_batch(replayed, self._device)
        factor = rate_factor(sleep.done, sleep.steps, self._config.final_rate)
        # ------------------------------------------------------------------
        report = self._brain.dream(batch, rate_factor=factor)
        # ------------------------------------------------------------------
        sleep.skips = 0 if report.applied else sleep.skips + 1
        if report.applied:
            self._replay.update(replayed.index, report.row_loss.numpy())
        else:
            self._report.event(NonFiniteStepSkipped(step=self._clock.step, in_a_row=sleep.skips))
        sleep.done += 1
        self._step_log.finish(report, num_samples=0, seconds=time.perf_counter() - started)

    def _wake_up(self, sleep: SleepInProgress) -> None:
        """Score the probes again; keep what was dreamt, or go back to what was before."""
        if not sleep.undone:
            self._judge(sleep)
        if sleep.undone:
            self._probes.score_all(self._brain, self._life.progressed)
        self._probes.follow_all()
        self._state.wake(self._clock.step)
        self._forgetting.steer()  # what is measured now counts for replay; for sleep it is measured again
        self._forgetting.report_all()
        state = self._life.when_not_paused()
        self._life.enter(state, f"slept; {READ}" if state is RunState.WAITING else "slept")

    def _judge(self, sleep: SleepInProgress) -> None:
        before = math.nan if sleep.before is None else sleep.before
        after = self._probes.score_all(self._brain, self._life.progressed)
        cost = self._carrying.costs(sleep.carried) if sleep.carried else None
        known, step = not math.isnan(before), self._clock.step
        if known and is_worse(before, after, self._config.tolerance) and self._can_go_back():
            self._go_back(sleep.counters)
            sleep.undone = True
            self._report.event(
                SleepRolledBack(step=step, before=before, after=after, tolerance=self._config.tolerance)
            )
            return
        self._report.event(
            SleepEnded(
                step=step,
                steps=sleep.steps,
                before=before if known else None,
                after=after if known else None,
            )
        )
        if sleep.carried and cost is not None:
            self._report_carried(sleep.carried, cost)

    def _report_carried(self, carried: CarryOver, cost: NDArray[np.float64]) -> None:
        share, step = carried.share(cost), self._clock.step
        self._report.point("carried_over", step, share)
        self._report.event(
            CarriedOver(
                step=step,
                items=len(carried),
                share=share,
                before=carried.bpc(carried.network),
                after=carried.bpc(cost),
                with_memory=carried.bpc(carried.both),
            )
        )

    def _can_go_back(self) -> bool:
        """Whether the brain still has the shapes it fell asleep with; it may have been grown by hand meanwhile."""
        model = self._brain.state().model
        before = {
            name.removeprefix(MODEL): tensor.shape
            for name, tensor in self._state.tensors.items()
            if name.startswith(MODEL)
        }
        return before == {name: tensor.shape for name, tensor in model.items()}

    def _go_back(self, counters: Mapping[str, Any]) -> None:
        now, kept = self._brain.state(), self._state.tensors
        model = {name: kept[MODEL + name] for name in now.model}
        learning = {name: kept.get(LEARNING + name, tensor) for name, tensor in now.learning.items()}
        with torch.no_grad():
            self._brain.load(replace(now, model=model, learning=learning, counters=dict(counters)))
