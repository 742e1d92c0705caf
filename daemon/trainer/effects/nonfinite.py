"""What to do when the loss stops being finite: skip, roll back, and in the end ask a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from daemon.trainer.state.checkpoint_form import Stored

if TYPE_CHECKING:
    from daemon.config.tree import RecoveryConfig

# Steadily finite for so long, earlier roll-backs no longer count against the run.
FORGIVEN_AFTER_STEPS = 1000


class Verdict(Enum):
    """What the loop does next."""

    GO_ON = auto()
    SKIP = auto()
    ROLL_BACK = auto()
    PAUSE = auto()


@dataclass(kw_only=True)
class NonFiniteSteps(Stored):
    """Counts of steps whose loss was not finite.

    Attributes:
        rollbacks: roll-backs since the loss was last steadily finite.
        skips: non-finite steps in a row.
        finite_steps: steps since the last non-finite one.
    """

    rollbacks: int = 0
    skips: int = 0
    finite_steps: int = 0

    def judge(self, config: RecoveryConfig, *, applied: bool) -> Verdict:
        """Count a step's outcome and decide.

        A non-finite step has changed nothing (`StepReport.applied` is False). After `rollback_after_skips` in a
        row the weights go back to the newest checkpoint while the stream continues, so the window is skipped; after
        `pause_after_rollbacks` such roll-backs the run pauses instead.

        >>> from daemon.config.tree import RecoveryConfig
        >>> steps, config = NonFiniteSteps(), RecoveryConfig(rollback_after_skips=2)
        >>> [steps.judge(config, applied=False).name for _ in range(3)]
        ['SKIP', 'ROLL_BACK', 'SKIP']
        """
        if applied:
            self.skips = 0
            self.finite_steps += 1
            if self.finite_steps >= FORGIVEN_AFTER_STEPS:
                self.rollbacks = 0
            return Verdict.GO_ON
        self.skips += 1
        self.finite_steps = 0
        if self.skips < config.rollback_after_skips:
            return Verdict.SKIP
        self.skips = 0
        if self.rollbacks >= config.pause_after_rollbacks:
            self.rollbacks = 0
            return Verdict.PAUSE
        self.rollbacks += 1
        return Verdict.ROLL_BACK

    def put_off(self, config: RecoveryConfig) -> None:
        """Revoke a verdict to roll back: the next non-finite step repeats it.

        >>> from daemon.config.tree import RecoveryConfig
        >>> steps, config = NonFiniteSteps(), RecoveryConfig(rollback_after_skips=1)
        >>> steps.judge(config, applied=False), steps.put_off(config), steps.judge(config, applied=False)
        (<Verdict.ROLL_BACK: 3>, None, <Verdict.ROLL_BACK: 3>)
        >>> steps.rollbacks
        1
        """
        self.skips = config.rollback_after_skips - 1
        self.rollbacks -= 1
