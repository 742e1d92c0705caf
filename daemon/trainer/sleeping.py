"""Sleep in the loop: replay alone, taught by the stable average, undone when the probes say that it did harm.

Falling asleep follows from the step, from forgetting as it was measured by the step, or from the journal (by
hand, or while there is nothing to read); how far a sleep has come stands in `LoopState.sleep`, and what it would
go back to travels in the checkpoint. So a sleep may be paused, stopped, saved and resumed between any two of its
steps, and the same weights wake up.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from brain.memory.fraction import next_fraction
from brain.ports import Sleeper
from brain.sleep.schedule import due_to_sleep, due_when_idle, is_worse, rate_factor
from daemon.events import NonFiniteStepSkipped, SettingRestored, SleepBegan, SleepEnded, SleepRolledBack
from daemon.protocol import RunState
from daemon.trainer.batching import replayed_batch
from daemon.trainer.frozen_probes import can_sleep
from daemon.trainer.idling import READ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Brain
    from brain.sleep.config import SleepConfig
    from daemon.trainer.loop import Loop
    from daemon.trainer.state import LoopState

MODEL, LEARNING = "model|", "learning|"
CARRIED = "carried|"  # sleep reads no lane


class Sleeping:
    """Falls asleep, dreams and wakes up; measures forgetting while awake.

    Args:
        config: when and how long.
    """

    def __init__(self, config: SleepConfig) -> None:
        self.config = config
        self._before: dict[str, Tensor] = {}

    def asleep(self, loop: Loop) -> bool:
        """Whether the next step is one of sleep."""
        return bool(loop.parts.state.sleep.get("steps"))

    def refusal(self, loop: Loop) -> str | None:
        """Why the run cannot fall asleep now; None when it can."""
        if not can_sleep(loop.parts.brain):
            return "this brain has no slow weights to sleep with (optimizer.averaging.every_steps is 0)"
        if not len(loop.parts.replay):
            return "there is nothing to replay yet"
        return "the run is asleep already" if self.asleep(loop) else None

    def tick(self, loop: Loop) -> None:
        """After a step awake: score a slice of the probes when it is due, and see what follows from it."""
        parts, step = loop.parts, loop.step
        if parts.probes.due(step):
            parts.probes.meet(parts.stream)
            through = parts.probes.score_slice(parts.brain)
            parts.watch.alarms.hear_probes(parts.probes.tracks.values())
            self.report(loop, through)
            if len(through) == len(parts.probes.probes) and through:
                self._steer(loop)
        forgetting = parts.state.sleep.get("forgetting")
        reason = due_to_sleep(
            self._awake_steps(loop),
            math.nan if forgetting is None else forgetting,
            parts.config.forgetting.threshold,
            self.config,
        )
        if reason is not None and self.refusal(loop) is None:
            self.fall_asleep(loop, self.config.steps, reason)

    def by_hand(self, loop: Loop, steps: int) -> int:
        """Journal a sleep, then fall asleep; the step at which."""
        loop.apply(loop.parts.journal.append("sleep", loop.step, {"steps": steps}))
        return loop.step

    def idle(self, loop: Loop) -> bool:
        """The stream has nothing to read: journal a sleep and fall asleep, if enough was learned since the last."""
        due = due_when_idle(self._awake_steps(loop), self.config) and self.refusal(loop) is None
        if due:
            order = {"steps": self.config.steps, "reason": "the stream idles"}
            if (entry := loop.journal.append("sleep", loop.step, order)) is None:
                return False  # it waits for the disk
            loop.apply(entry)
        return due

    def apply(self, loop: Loop, order: Mapping[str, Any]) -> None:
        """Let a journaled sleep take effect, now or again after a crash; one that no longer fits is dropped."""
        if (why := self.refusal(loop)) is None:
            self.fall_asleep(loop, order["steps"], order.get("reason", "by hand"))
        else:
            what = f"a sleep did not take effect: {why}"
            loop.parts.reporter.event(SettingRestored(step=loop.step, what=what))

    def fall_asleep(self, loop: Loop, steps: int, reason: str) -> None:
        """Remember how it was before, and begin."""
        parts = loop.parts
        state = parts.brain.state()
        self._before = {MODEL + name: tensor.clone() for name, tensor in state.model.items()}
        self._before |= {
            LEARNING + name: tensor.clone()
            for name, tensor in state.learning.items()
            if not name.startswith(CARRIED)
        }
        parts.state.sleep |= {
            "steps": steps,
            "done": 0,
            "reason": reason,
            "counters": dict(state.counters),
        }
        parts.reporter.event(SleepBegan(step=loop.step, steps=steps, reason=reason))
        if loop.run_state is not RunState.PAUSED:
            loop.enter(RunState.SLEEPING, reason)

    def dream(self, loop: Loop) -> None:
        """One step of sleep, the first behind a look at the probes, and waking up behind the last.

        Raises:
            Interrupted: the run is to end in the midst of the probes; resumed, it is asleep and scores them anew.
        """
        parts, sleep = loop.parts, loop.parts.state.sleep
        if "before" not in sleep:
            before = parts.probes.score_all(parts.brain, loop.progressed)
            sleep["before"] = None if math.isnan(before) else before
        if sleep["done"] < sleep["steps"]:
            self._dream(loop)
        if sleep["done"] >= sleep["steps"]:
            self._wake_up(loop)

    def _dream(self, loop: Loop) -> None:
        parts, sleep = loop.parts, loop.parts.state.sleep
        started = time.perf_counter()
        assert isinstance(parts.brain, Sleeper)
        replayed = parts.replay.sample(parts.config.stream.rows)
        batch = replayed_batch(replayed, parts.device)
        factor = rate_factor(sleep["done"], sleep["steps"], self.config.final_rate)
        # ------------------------------------------------------------------
        report = parts.brain.dream(batch, rate_factor=factor)
        # ------------------------------------------------------------------
        sleep["skips"] = 0 if report.applied else sleep.get("skips", 0) + 1
        if report.applied:
            parts.replay.update(replayed.index, report.row_loss.numpy())
        else:
            parts.reporter.event(NonFiniteStepSkipped(step=loop.step, in_a_row=sleep["skips"]))
        sleep["done"] += 1
        loop.count(0, report, time.perf_counter() - started)

    def report(self, loop: Loop, sources: list[str]) -> None:
        """The forgetting of these sources and of all, as points."""
        parts, step = loop.parts, loop.step
        for row in parts.probes.rows_of(sources):
            for metric, name in (
                ("probe_bpc", "bpc"),
                ("probe_smooth", "smooth"),
                ("forgetting", "forgetting"),
            ):
                if row[name] is not None:
                    parts.reporter.point(f"{metric}/{row['source']}", step, row[name])
        if sources:
            total = parts.probes.forgetting()
            for metric, value in (
                ("forgetting", total.mean),
                ("forgetting_worst", total.worst),
                ("backward_transfer", total.backward_transfer),
                ("stability_gap", total.stability_gap),
            ):
                if not math.isnan(value):
                    parts.reporter.point(metric, step, value)
            parts.reporter.point("replay_fraction", step, loop.replay_fraction)
            if loop.session_seconds > 0:
                share = parts.probes.spent_seconds / loop.session_seconds
                parts.reporter.point("forgetting_cost_share", step, share)

    def state_tensors(self) -> dict[str, Tensor]:
        """What the sleep would go back to; nothing while awake."""
        return dict(self._before)

    def load(self, tensors: Mapping[str, Tensor], state: LoopState, brain: Brain) -> None:
        """Take it back, to go on sleeping; without slow weights the run is awake."""
        self._before = {name: tensor.clone() for name, tensor in tensors.items()}
        if not can_sleep(brain):
            state.sleep = {"woke": state.step}

    def _steer(self, loop: Loop) -> None:
        """All probes were scored since the last time: what follows for replay and sleep."""
        parts = loop.parts
        mean = parts.probes.forgetting().mean
        if math.isnan(mean):
            return
        parts.state.sleep["forgetting"] = mean
        parts.state.replay_fraction = next_fraction(
            loop.replay_fraction, mean, parts.config.forgetting.threshold, parts.config.replay
        )

    def _wake_up(self, loop: Loop) -> None:
        """Score the probes again; keep what was dreamt, or go back to what was before."""
        parts, sleep = loop.parts, loop.parts.state.sleep
        if not sleep.get("undone"):
            self._judge(loop)
        if sleep.get("undone"):
            parts.probes.score_all(parts.brain, loop.progressed)
        parts.probes.follow_all()
        self._before = {}
        parts.state.sleep = {"woke": loop.step}
        self._steer(loop)
        parts.state.sleep.pop("forgetting", None)  # awake again, it is measured anew before it counts
        self.report(loop, list(parts.probes.probes))
        state = loop.state_of_going_on()
        loop.enter(state, f"slept; {READ}" if state is RunState.WAITING else "slept")

    def _judge(self, loop: Loop) -> None:
        parts, sleep = loop.parts, loop.parts.state.sleep
        before = math.nan if sleep["before"] is None else sleep["before"]
        after = parts.probes.score_all(parts.brain, loop.progressed)
        harmful = not math.isnan(before) and is_worse(before, after, self.config.tolerance)
        if harmful and self._can_go_back(loop):
            self._go_back(loop, sleep["counters"])
            sleep["undone"] = True
            parts.reporter.event(
                SleepRolledBack(step=loop.step, before=before, after=after, tolerance=self.config.tolerance)
            )
            return
        known = not math.isnan(before)
        parts.reporter.event(
            SleepEnded(
                step=loop.step,
                steps=sleep["steps"],
                before=before if known else None,
                after=after if known else None,
            )
        )

    def _awake_steps(self, loop: Loop) -> int:
        return loop.step - int(loop.parts.state.sleep.get("woke", 0))

    def _can_go_back(self, loop: Loop) -> bool:
        """Whether the brain is still of the form it fell asleep with; by hand it may have grown meanwhile."""
        model = loop.parts.brain.state().model
        before = {
            name.removeprefix(MODEL): t.shape for name, t in self._before.items() if name.startswith(MODEL)
        }
        return before == {name: tensor.shape for name, tensor in model.items()}

    def _go_back(self, loop: Loop, counters: Mapping[str, Any]) -> None:
        brain = loop.parts.brain
        now = brain.state()
        model = {name: self._before[MODEL + name] for name in now.model}
        learning = {name: self._before.get(LEARNING + name, tensor) for name, tensor in now.learning.items()}
        with torch.no_grad():
            brain.load(replace(now, model=model, learning=learning, counters=dict(counters)))
