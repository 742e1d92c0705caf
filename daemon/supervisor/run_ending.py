"""How runs end: an order to stop that is never forgotten, its refusal, the daemon's own end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.orders import MAX_REASON, StopForGood
from daemon.system.counting import counted
from daemon.system.patience import happens
from daemon.trainer_protocol import Command, Outcome, RunState

if TYPE_CHECKING:
    from daemon.orders import Stop
    from daemon.supervisor.admission import Admission
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.operations import Operation, Operations
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.trainers import TrainerLife

# Of the daemon's grace time, this share goes into tries to save; the rest is for the trainer to end in.
SAVING_SHARE = 0.8
AFTER_KILL_SECONDS = 10.0


class Ending:
    """Orders runs to stop and sees that they do; the operations are closed with the daemon."""

    def __init__(self, runs: RunRegistry, operations: Operations, admission: Admission) -> None:
        self._runs = runs
        self._operations = operations
        self._admission = admission

    def order(self, run: LiveRun, life: TrainerLife, stop: Stop) -> Operation:
        """Order a run to stop; an order that adds nothing to a pending one returns that one."""
        under_way = pending_stops(self._operations, run.id)
        if under_way and not stop.force:
            return under_way[-1]
        return self._send(run, life, stop)

    async def wait(self, run_id: str) -> LiveRun:
        """Return once the run has no trainer any more and will get none.

        Raises:
            NotFoundError: there is no such run.
        """
        life = self._runs.lives.get(run_id)
        if life is not None:
            await life.ended.wait()
        return await self._runs.find(run_id)

    async def close(self, *, grace_seconds: float, reason: str = "the daemon stops") -> None:
        """Stop every run, with a last checkpoint; kill what has not ended within the grace time."""
        self._admission.close()
        lives = list(self._runs.lives.values())
        stop = StopForGood(reason=reason[:MAX_REASON], within_seconds=grace_seconds * SAVING_SHARE)
        for life in lives:
            self._send(self._runs[life.subject], life, stop)
        await asyncio.gather(*(happens(life.ended, grace_seconds) for life in lives))
        for life in lives:
            if not life.ended.is_set():
                life.kill()
        await asyncio.gather(*(happens(life.ended, AFTER_KILL_SECONDS) for life in lives))
        self._operations.close()

    def kill(self) -> None:
        """End every trainer at once; the last good checkpoints stay."""
        self._admission.close()
        for life in list(self._runs.lives.values()):
            life.kill()

    def _send(self, run: LiveRun, life: TrainerLife, stop: Stop) -> Operation:
        operation = self._operations.open(run.id, "stop")
        run.reason = stop.reason
        self._runs.change_state(run, RunState.STOPPING, run.reason)
        life.stop(Command(id=operation.id, order=stop))
        return operation


def pending_stops(operations: Operations, run: str) -> list[Operation]:
    """Pending orders to stop a run."""
    return [operation for operation in operations.pending(run) if operation.action == "stop"]


def refused(outcome: Outcome, run: LiveRun) -> Outcome:
    """A trainer's refusal to stop, with what ending it anyway would cost."""
    return replace(
        outcome,
        error=f"{outcome.error}. The run continues; to end it anyway: synapsed stop --force ({lost(run)})",
    )


def lost(run: LiveRun) -> str:
    """What ending a run without a last save costs.

    >>> from datetime import UTC, datetime
    >>> from daemon.supervisor.live_run import LiveRun
    >>> run = LiveRun(id="r", name="r", config={}, created_at=datetime.now(UTC), step=12)
    >>> lost(run)
    'nothing was saved: all 12 steps are lost'
    >>> run.checkpoint, run.checkpoint_step = "continuous_1700000001", 11
    >>> lost(run)
    'the last checkpoint is continuous_1700000001; the 1 step since then is lost'
    """
    if run.checkpoint is None:
        return (
            f"nothing was saved: all {counted(run.step, 'step is', 'steps are')} lost"
            if run.step
            else "nothing was learned yet"
        )
    since = f"; {unsaved}" if (unsaved := unsaved_steps(run)) else ", nothing is lost"
    return f"the last checkpoint is {run.checkpoint}{'' if run.checkpoint_step is None else since}"


def unsaved_steps(run: LiveRun) -> str:
    """The steps since the newest checkpoint, as text; empty without any."""
    steps = 0 if run.checkpoint_step is None else run.step - run.checkpoint_step
    if steps <= 0:
        return ""
    return f"the {counted(steps, 'step since then is', 'steps since then are')} lost"
