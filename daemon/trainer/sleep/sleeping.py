"""Falling asleep: by step, by forgetting measured at a step, or from the journal.

How far a sleep has come stands in `SleepState`, and what it would go back to travels in the checkpoint. So a sleep
may be paused, stopped, saved and resumed between any two of its steps, and the same weights wake up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from brain.sleep.schedule import due_to_sleep, due_when_idle
from brain.stored_state import AWAKE_ONLY
from daemon.events import SettingRestored, SleepBegan
from daemon.trainer.measures.slow_weights import can_sleep
from daemon.trainer.state.sleep_state import LEARNING, MODEL, SleepInProgress
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sized

    from brain.ports import Brain
    from brain.sleep.config import SleepConfig
    from daemon.trainer.measures.forgetting_watch import ForgettingWatch
    from daemon.trainer.ports import Clock, Life, Report
    from daemon.trainer.state.sleep_state import SleepState


class Sleeping:
    """Falls asleep; measures forgetting while awake.

    Args:
        state: what is remembered of sleep.
        config: when and how long.
        threshold: of forgetting.
        brain: that falls asleep.
        replay: what there is to dream of.
        forgetting: as it is measured.
        clock: of the run.
        life: its state.
        report: takes events.
    """

    def __init__(
        self,
        state: SleepState,
        config: SleepConfig,
        threshold: float,
        *,
        brain: Brain,
        replay: Sized,
        forgetting: ForgettingWatch,
        clock: Clock,
        life: Life,
        report: Report,
    ) -> None:
        self.config = config
        self._state = state
        self._threshold = threshold
        self._brain = brain
        self._replay = replay
        self._forgetting = forgetting
        self._clock = clock
        self._life = life
        self._report = report

    @property
    def asleep(self) -> bool:
        """Whether the next step is one of sleep."""
        return self._state.asleep

    @property
    def woke(self) -> int | None:
        """Step of the last waking."""
        return self._state.woke

    def refusal(self) -> str | None:
        """Why the run cannot fall asleep now; None when it can."""
        if not can_sleep(self._brain):
            return "this brain has no slow weights to sleep with (optimizer.averaging.every_steps is 0)"
        if not len(self._replay):
            return "there is nothing to replay yet"
        return "the run is asleep already" if self.asleep else None

    def may_come_by_itself(self) -> bool:
        """Whether the run could fall asleep now by a rule of its own."""
        config = self.config
        by_itself = config.every_steps or config.rest_steps or config.idle_awake_steps
        return bool(by_itself) and self.refusal() is None

    def tick(self) -> None:
        """After a step awake: measure forgetting when it is due, and fall asleep when that is."""
        if (mean := self._forgetting.tick()) is not None:
            self._state.forgetting = mean
        forgetting = math.nan if self._state.forgetting is None else self._state.forgetting
        reason = due_to_sleep(self._awake_steps(), forgetting, self._threshold, self.config)
        if reason is not None and self.refusal() is None:
            self.fall_asleep(self.config.steps, reason)

    def order_when_idle(self) -> dict[str, Any] | None:
        """The stream has nothing to read: the sleep that is due, if enough was learned since the last."""
        due = due_when_idle(self._awake_steps(), self.config) and self.refusal() is None
        return {"steps": self.config.steps, "reason": "the stream idles"} if due else None

    def apply(self, order: Mapping[str, Any]) -> None:
        """Let a journaled sleep take effect, now or again after a crash; one that no longer fits is dropped."""
        if (why := self.refusal()) is None:
            self.fall_asleep(order["steps"], order.get("reason", "by hand"))
        else:
            what = f"a sleep did not take effect: {why}"
            self._report.event(SettingRestored(step=self._clock.step, what=what))

    def fall_asleep(self, steps: int, reason: str) -> None:
        """Remember how it was before, and begin."""
        state = self._brain.state()
        before = {MODEL + name: tensor.clone() for name, tensor in state.model.items()}
        before |= {
            LEARNING + name: tensor.clone()
            for name, tensor in state.learning.items()
            if not name.startswith(AWAKE_ONLY)
        }
        self._state.tensors = before
        self._state.current = SleepInProgress(steps=steps, reason=reason, counters=dict(state.counters))
        self._report.event(SleepBegan(step=self._clock.step, steps=steps, reason=reason))
        if self._life.state is not RunState.PAUSED:
            self._life.enter(RunState.SLEEPING, reason)

    def _awake_steps(self) -> int:
        return self._clock.step - (self._state.woke or 0)
