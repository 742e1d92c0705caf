"""What to do when the loss stops being finite: skip, roll back, and in the end ask a person."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.config import RecoveryConfig
    from daemon.trainer.state import LoopState

# Steadily finite for so long, earlier roll-backs no longer count against the run.
FORGIVEN_AFTER_STEPS = 1000
RATE_AFTER_ROLLBACK = 0.5


class Verdict(Enum):
    """What the loop does next."""

    GO_ON = auto()
    SKIP = auto()
    ROLL_BACK = auto()
    PAUSE = auto()


def judge_step(applied: bool, state: LoopState, config: RecoveryConfig) -> Verdict:
    """Count a step's outcome into `state` and decide.

    A non-finite step has changed nothing (`StepReport.applied` is False). After `rollback_after_skips` in a
    row the weights go back to the newest checkpoint while the stream goes on, so the window is skipped; after
    `pause_after_rollbacks` such roll-backs the run pauses instead.

    >>> from daemon.config import RecoveryConfig
    >>> from daemon.trainer.state import LoopState
    >>> state = LoopState()
    >>> [judge_step(False, state, RecoveryConfig(rollback_after_skips=2)).name for _ in range(3)]
    ['SKIP', 'ROLL_BACK', 'SKIP']
    """
    if applied:
        state.skips = 0
        state.finite_steps += 1
        if state.finite_steps >= FORGIVEN_AFTER_STEPS:
            state.rollbacks = 0
        return Verdict.GO_ON
    state.skips += 1
    state.finite_steps = 0
    if state.skips < config.rollback_after_skips:
        return Verdict.SKIP
    state.skips = 0
    if state.rollbacks >= config.pause_after_rollbacks:
        state.rollbacks = 0
        return Verdict.PAUSE
    state.rollbacks += 1
    return Verdict.ROLL_BACK
