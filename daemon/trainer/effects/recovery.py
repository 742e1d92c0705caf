"""A loss that is not finite: the step is skipped, the brain goes back to a checkpoint, or a person is asked.

A roll-back is journaled before it takes effect, so a crash from there on repeats it at the same step. While a
failing disk keeps it from the journal the steps are skipped, which changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.errors import CheckpointError
from daemon.events import NonFiniteStepSkipped, RolledBack
from daemon.trainer.effects.nonfinite import Verdict

if TYPE_CHECKING:
    from brain.ports import Brain, StepReport
    from daemon.config.tree import RecoveryConfig
    from daemon.trainer.effects.earlier_brain import EarlierBrain
    from daemon.trainer.effects.effects import Effects
    from daemon.trainer.effects.nonfinite import NonFiniteSteps
    from daemon.trainer.ports import Clock, Report, Save, StandStill
    from daemon.trainer.state.lane_resets import LaneResets

RATE_AFTER_ROLLBACK = 0.5


class RollBack:
    """The roll-back itself.

    Args:
        lanes: of the stream.
        brain: that goes back.
        earlier_brain: the one of a checkpoint.
        resets: of lanes.
        save: takes a checkpoint behind it.
        pauses: where the way back is lost.
        clock: of the run.
        report: takes the event.
    """

    def __init__(
        self,
        lanes: int,
        *,
        brain: Brain,
        earlier_brain: EarlierBrain,
        resets: LaneResets,
        save: Save,
        pauses: StandStill,
        clock: Clock,
        report: Report,
    ) -> None:
        self._lanes = lanes
        self._brain = brain
        self._earlier_brain = earlier_brain
        self._resets = resets
        self._save = save
        self._pauses = pauses
        self._clock = clock
        self._report = report

    def take(self, checkpoint: str) -> None:
        """Let a journaled roll-back take effect: weights and moments of the checkpoint, at half the rate."""
        try:
            to_step = self._earlier_brain.restore(checkpoint)
        except CheckpointError as error:
            self._pauses.stand_still(f"the loss is not finite and the way back is lost: {error}")
            return
        self._brain.scale_learning_rate(RATE_AFTER_ROLLBACK)
        # The stream continues where it is, so no lane's state belongs to what it reads next.
        self._resets.owe_all(self._lanes)
        event = RolledBack(step=self._clock.step, to_step=to_step, rate_factor=RATE_AFTER_ROLLBACK)
        self._report.event(event)
        # Committed at once, so that the halved rate and the way back are part of the newest checkpoint.
        self._save.try_save("rollback")


class Recovery:
    """Decides on each step whose loss was not finite.

    Args:
        steps: counts of them.
        config: how many are too many.
        effects: journal a roll-back and let it take effect.
        save: knows the newest checkpoint.
        pauses: where a person is asked.
        clock: of the run.
        report: takes each skipped step.
    """

    def __init__(
        self,
        steps: NonFiniteSteps,
        config: RecoveryConfig,
        *,
        effects: Effects,
        save: Save,
        pauses: StandStill,
        clock: Clock,
        report: Report,
    ) -> None:
        self._steps = steps
        self._config = config
        self._effects = effects
        self._save = save
        self._pauses = pauses
        self._clock = clock
        self._report = report

    def judge(self, report: StepReport) -> None:
        """Skip, roll back or pause when the loss was not finite."""
        verdict = self._steps.judge(self._config, applied=report.applied)
        if verdict is Verdict.GO_ON:
            return
        self._report.event(NonFiniteStepSkipped(step=self._clock.step, in_a_row=self._steps.skips))
        if verdict is Verdict.PAUSE:
            self._pauses.stand_still("the loss stays non-finite after repeated roll-backs")
        elif verdict is Verdict.ROLL_BACK and not self._go_back():
            self._steps.put_off(self._config)

    def _go_back(self) -> bool:
        """Journal the way back and take it; False when that has to wait for the disk."""
        if (repeated := self._effects.repeat_roll_back()) is not None:
            return repeated
        if not (checkpoint := self._save.newest()):
            self._pauses.stand_still(
                "the loss is not finite, and no checkpoint could be saved yet to go back to"
            )
            return False
        return self._effects.decide("roll_back", {"checkpoint": checkpoint}) is not None
