"""A growth on trial: the brain before it stands aside as a twin that learns from the same batches, until a verdict.

Everything follows from the step: the twin and both losses are part of the checkpoint. See docs/adr/0016.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from brain.capabilities import Twinned
from brain.errors import BrainError
from brain.growth.cooldowns import Cooldowns
from brain.growth.plan import BY_HAND
from brain.growth.verdict import BLOCKS, Losses, judge
from brain.ports import BrainState
from brain.upgrades import SPEC
from daemon.events import GrowthJudged, SettingRestored
from daemon.trainer.checkpoints.restoring import parts_of
from daemon.trainer.state.sleep_state import LEARNING, MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from brain.growth.config import GrowthConfig
    from brain.ports import Batch, Brain, StepReport
    from daemon.events import Event
    from daemon.trainer.growth.growth_state import GrowthState
    from daemon.trainer.ports import Clock, Report

ENOUGH = 0.25  # of the judged half, for a trial that a sleep ends
NO_ROOM = "there is no memory for a twin"


@dataclass(kw_only=True)
class Trial:
    """The trial of the newest growth.

    Attributes:
        twin: the brain that did not grow.
        began: step of the growth.
        steps: that it takes; the second half is judged.
        learned: newest step that both learned from.
        least: gain that would pay.
        losses: of both in the judged half.
    """

    twin: Brain
    began: int
    steps: int
    learned: int
    least: float
    losses: Losses = field(default_factory=Losses)

    def state(self) -> dict[str, Any]:
        """JSON-able, without the twin's tensors."""
        twin = self.twin.state()
        return {
            "began": self.began,
            "steps": self.steps,
            "learned": self.learned,
            "least": self.least,
            "losses": dataclasses.asdict(self.losses),
            "spec": SPEC.stamped(twin.spec),
            "counters": dict(twin.counters),
        }

    def view(self) -> dict[str, Any]:
        """How far it has come, for a person; JSON-able."""
        return {"began": self.began, "steps": self.steps, "done": self.learned - self.began}

    def tensors(self) -> dict[str, Tensor]:
        """The twin's, by reference."""
        twin = self.twin.state()
        return {f"{MODEL}{name}": tensor for name, tensor in twin.model.items()} | {
            f"{LEARNING}{name}": tensor for name, tensor in twin.learning.items()
        }

    @classmethod
    def restored(cls, stored: Mapping[str, Any], tensors: Mapping[str, Tensor], brain: Twinned) -> Trial:
        """A trial as it was stored.

        Raises:
            BrainError: its twin is not complete, or does not fit.
            LookupError: it is not a trial.
        """
        twin = brain.twin(
            BrainState(
                model=parts_of(tensors, MODEL),
                learning=parts_of(tensors, LEARNING),
                counters=stored["counters"],
                spec=SPEC.brought_up(stored["spec"], origin="a twin"),
            )
        )
        return cls(
            twin=twin,
            began=stored["began"],
            steps=stored["steps"],
            learned=stored["learned"],
            least=stored["least"],
            losses=Losses(**stored["losses"]),
        )


class Trials:
    """Judges each growth.

    Args:
        state: what has grown, and the trial under way.
        config: how long a trial takes, and what a growth must be worth.
        brain: that grows.
        clock: of the run.
        report: takes each verdict.
    """

    def __init__(
        self, state: GrowthState, config: GrowthConfig, *, brain: Brain, clock: Clock, report: Report
    ) -> None:
        self._state = state
        self._config = config
        self._brain = brain
        self._clock = clock
        self._report = report

    @property
    def under_way(self) -> bool:
        """Whether the newest growth is not judged yet."""
        return self._state.trial is not None

    def twin(self) -> Brain | None:
        """The brain as it is now, to stand aside; None where growth is not judged."""
        if not self._config.trial_steps or not isinstance(self._brain, Twinned):
            return None
        try:
            return self._brain.twin()
        except torch.OutOfMemoryError:
            return None

    def begin(self, twin: Brain | None, *, added_share: float) -> None:
        """The newest growth is on trial from here on.

        Args:
            twin: the brain as it was before.
            added_share: new neurons over those that there were.
        """
        if twin is None:
            return
        step = self._clock.step
        self._state.trial = Trial(
            twin=twin,
            began=step,
            steps=self._config.trial_steps,
            learned=step,
            least=self._config.worth * added_share,
        )

    def follow(self, batch: Batch, report: StepReport) -> None:
        """The twin learns from what the brain just learned from; after the last step there is a verdict."""
        trial, step = self._state.trial, self._clock.step
        if trial is None:
            return
        if step != trial.learned + 1:
            self._end_early(trial)
            return
        try:
            beside = trial.twin.learn(batch)
        except torch.OutOfMemoryError:
            self.break_off(NO_ROOM)
            return
        trial.learned = step
        judged = step - trial.began - 1 - trial.steps // 2
        known = math.isfinite(report.loss) and math.isfinite(beside.loss)
        if judged >= 0 and known and report.num_bytes:
            block = judged * BLOCKS // (trial.steps - trial.steps // 2)
            trial.losses.add(block, twin=beside.loss, grown=report.loss, num_bytes=report.num_bytes)
        if step - trial.began >= trial.steps:
            self._conclude(trial)

    def _end_early(self, trial: Trial) -> None:
        """The brain slept, which its twin did not: judge by what was learned before, if that is enough."""
        if len(trial.losses.num_bytes) < BLOCKS * ENOUGH:
            self.break_off("the brain slept meanwhile")
        else:
            self._conclude(trial)

    def break_off(self, why: str) -> None:
        """The trial under way, if there is one, ends without a verdict."""
        if self._state.trial is not None:
            self._close({"paid": None, "reason": why})

    def _conclude(self, trial: Trial) -> None:
        verdict = judge(trial.losses, least=trial.least)
        if verdict is None:
            self.break_off("there was too little text to compare")
            return
        self._close(dataclasses.asdict(verdict))
        self._report.point("growth_gain", self._clock.step, verdict.gain)

    def _close(self, verdict: dict[str, Any]) -> None:
        """Write the verdict into the record of the growth, and report it."""
        self._state.trial = None
        record, step = self._state.history[-1], self._clock.step
        record["verdict"] = verdict
        cooldown = Cooldowns.of(self._config, self._state.history).of_site(record["site"])
        record["verdict"] = {**verdict, "step": step, "cooldown_steps": cooldown}
        self._report.event(
            GrowthJudged(
                step=step,
                site=record["site"],
                operator=record["operator"],
                by_hand=record["trigger"] == BY_HAND,
                grew_step=record["step"],
                paid=verdict["paid"],
                reason=verdict.get("reason", ""),
                gain=verdict.get("gain"),
                noise=verdict.get("noise"),
                least=verdict.get("least"),
                promised_bpc=verdict.get("promised_bpc"),
                bpc=verdict.get("bpc"),
                cooldown_steps=cooldown,
            )
        )


def restore_trial(
    state: GrowthState,
    kept: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    brain: Brain,
    emit: Callable[[Event], None],
) -> None:
    """Take up the trial of a checkpoint again; without its twin the growth remains unjudged.

    Args:
        state: takes it.
        kept: what the checkpoint keeps of growth.
        tensors: of the twin.
        brain: that grew.
        emit: takes what is lost.
    """
    stored = kept.get("trial")
    if not stored or not state.history or not isinstance(brain, Twinned):
        return
    try:
        state.trial = Trial.restored(stored, tensors, brain)
    except (BrainError, LookupError, TypeError, torch.OutOfMemoryError) as error:
        what = f"the newest growth is not judged, for its twin could not be restored: {error}"
        emit(SettingRestored(what=what))
