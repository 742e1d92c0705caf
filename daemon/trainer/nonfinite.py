"""What to do when the loss stops being finite: skip, roll back, and in the end ask a person.

Neither may leave a lane with a carried state that does not belong to the text before its next row: what such a lane
reads next begins from a reset state, however much later that is.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.config.tree import RecoveryConfig
    from daemon.streams.experience import Experience
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

    >>> from daemon.config.tree import RecoveryConfig
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


def with_due_resets(experience: Experience, lanes: Collection[int]) -> Experience:
    """The experience with a reset in those lanes that are due one."""
    due = np.isin(experience.lane, list(lanes))
    return replace(experience, reset=experience.reset | due) if due.any() else experience


def note_resets(state: LoopState, experience: Experience, *, applied: bool) -> None:
    """After a step: lanes that read in it have had their reset, or are due one because nothing of it was kept."""
    due, read = set(state.due_resets), set(experience.lane.tolist())
    state.due_resets = sorted(due - read if applied else due | read)


def put_off(state: LoopState, config: RecoveryConfig) -> None:
    """Take a verdict to roll back, just given, back: the next non-finite step gives it again.

    >>> from daemon.config.tree import RecoveryConfig
    >>> from daemon.trainer.state import LoopState
    >>> state, config = LoopState(), RecoveryConfig(rollback_after_skips=1)
    >>> judge_step(False, state, config), put_off(state, config), judge_step(False, state, config), state.rollbacks
    (<Verdict.ROLL_BACK: 3>, None, <Verdict.ROLL_BACK: 3>, 1)
    """
    state.skips = config.rollback_after_skips - 1
    state.rollbacks -= 1
