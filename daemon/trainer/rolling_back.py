"""A loss that is not finite: the step is skipped, the brain goes back to a checkpoint, or a person is asked.

A roll-back is journaled before it takes effect, so a crash from there on repeats it at the same step. While a
failing disk keeps it from the journal the steps are skipped, which changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.errors import CheckpointError
from daemon.events import NonFiniteStepSkipped, RolledBack
from daemon.trainer.batching import num_lanes
from daemon.trainer.nonfinite import RATE_AFTER_ROLLBACK, Verdict, judge_step, put_off

if TYPE_CHECKING:
    from brain.ports import StepReport
    from daemon.trainer.loop import Loop


def recover(loop: Loop, report: StepReport) -> None:
    """Skip, roll back or pause when the loss was not finite."""
    state, config = loop.parts.state, loop.parts.config.recovery
    verdict = judge_step(report.applied, state, config)
    if verdict is Verdict.GO_ON:
        return
    loop.parts.reporter.event(NonFiniteStepSkipped(step=loop.step, in_a_row=state.skips))
    if verdict is Verdict.PAUSE:
        loop.stand_still("the loss stays non-finite after repeated roll-backs")
    elif verdict is Verdict.ROLL_BACK and not _go_back(loop):
        put_off(state, config)


def roll_back(loop: Loop, checkpoint: str) -> None:
    """Let a journaled roll-back take effect: weights and moments of the checkpoint, at half the rate."""
    try:
        to_step = loop.parts.saver.restore_brain(loop, checkpoint)
    except CheckpointError as error:
        loop.stand_still(f"the loss is not finite and the way back is lost: {error}")
        return
    loop.parts.brain.scale_learning_rate(RATE_AFTER_ROLLBACK)
    stream, replay = loop.parts.config.stream, loop.parts.config.replay
    # The stream goes on where it is, so no lane's state belongs to what it reads next.
    loop.parts.state.due_resets = list(range(num_lanes(stream.rows, replay.fraction)))
    loop.parts.reporter.event(RolledBack(step=loop.step, to_step=to_step, rate_factor=RATE_AFTER_ROLLBACK))
    # Committed at once, so that the halved rate and the way back are part of the newest checkpoint.
    loop.parts.saver.try_save(loop, "rollback")


def _go_back(loop: Loop) -> bool:
    """Journal the way back and take it; False when that has to wait for the disk."""
    pending, checkpoint = loop.parts.pending, loop.parts.saver.newest()
    of_life_before = [entry for entry in pending if entry.kind == "roll_back"]
    if of_life_before:  # the life before a crash went back at that step, which may be a later one
        repeated = pending[0].kind == "roll_back" and pending[0].step == loop.step
        if repeated:
            loop.apply(pending.pop(0))
        return repeated
    if not checkpoint:
        loop.stand_still("the loss is not finite, and no checkpoint could be saved yet to go back to")
        return False
    entry = loop.journal.append("roll_back", loop.step, {"checkpoint": checkpoint})
    if entry is not None:
        loop.apply(entry)
    return entry is not None
