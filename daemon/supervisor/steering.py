"""Orders to a living trainer, and their outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from daemon.errors import ConflictError, NotFoundError, TrainerLostError
from daemon.orders import Feed, Stop
from daemon.supervisor.labelled_text import text_to_feed
from daemon.supervisor.operations import Operation, Operations, wait_for
from daemon.system.escaping import one_line
from daemon.trainer_protocol import Command, RunState

if TYPE_CHECKING:
    from daemon.orders import Generate, Order, Recall, ViewGrowth
    from daemon.store.read_pool import Reader
    from daemon.supervisor.admission import Admission
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.run_ending import Ending
    from daemon.supervisor.run_registry import RunRegistry
    from daemon.supervisor.trainers import TrainerLife

# Their answer depends on the brain: it is waited for, so that a refusal is a 409 and not a failed operation.
ASKED_FIRST = frozenset({"grow", "sleep", "evaluate", "forget"})
ASKED_FIRST_SECONDS = 10.0


class Steering:
    """Every method that names a run raises NotFoundError when there is none of that id."""

    def __init__(
        self, runs: RunRegistry, operations: Operations, admission: Admission, ending: Ending, reader: Reader
    ) -> None:
        self._runs = runs
        self._operations = operations
        self._admission = admission
        self._ending = ending
        self._reader = reader

    async def act(self, run_id: str, order: Order) -> Operation:
        """Send an order to a run; the operation ends when its trainer has answered.

        Raises:
            ConflictError: when the action does not fit the run's state or its brain.
        """
        run = await self._runs.find(run_id)
        if isinstance(order, Stop):
            return self._stop(run, order)
        operation = self._send(run, order)
        if order.action in ASKED_FIRST:
            await wait_for(operation, ASKED_FIRST_SECONDS)
            if operation.conflict:
                raise ConflictError(operation.error or f"{order.action} is not available for this brain")
        return operation

    async def feed(
        self, run_id: str, text: str, *, label: str | None = None, origin: str = "api"
    ) -> Operation:
        """Push text into a run's experience, with its label if it has one; done once it is journaled.

        Raises:
            UsageError: it has a label, and the brain learns none; it has none, and the brain learns nothing else; or
                the label is none.
        """
        run = await self._runs.find(run_id)
        text = text_to_feed(text, label, run.config.get("brain", {}).get("kind"), run.id)
        return await self.act(run_id, Feed(text=text, origin=origin))

    async def ask(self, run_id: str, question: Generate | Recall | ViewGrowth) -> dict[str, Any]:
        """The trainer's answer to a question: the text a brain generates, what it remembers, how it could grow.

        Raises:
            ConflictError: no trainer of the run could answer, or the question does not fit its brain.
            TrainerLostError: it did not answer in time.
        """
        operation = self._send(await self._runs.find(run_id), question)
        await operation.finished.wait()
        if operation.conflict:
            raise ConflictError(operation.error or f"{question.action} is not available now")
        if operation.state == "failed":
            raise TrainerLostError(operation.error or "the trainer did not answer")
        return operation.result

    async def operation(self, operation_id: str, *, wait_seconds: float = 0.0) -> dict[str, Any]:
        """An operation as it is now, or once it has ended, within `wait_seconds`.

        Raises:
            NotFoundError: there is none of that id.
        """
        operation = self._operations.get(operation_id)
        if operation is not None:
            await wait_for(operation, wait_seconds)
            return operation.view()
        stored = await asyncio.to_thread(self._reader.operation, operation_id)
        if stored is None:
            hint = self._operations.hint(operation_id)
            raise NotFoundError(f"there is no operation {one_line(operation_id)}{hint}")
        if stored["state"] == "pending":  # in an earlier life of the daemon
            stored |= {"state": "failed", "error": "the daemon ended before it was answered"}
        return stored

    def _stop(self, run: LiveRun, stop: Stop) -> Operation:
        if not self._admission.is_queued(run.id):
            return self._ending.order(run, self._life_for(run, stop.action), stop)
        operation = self._operations.open(run.id, stop.action)
        self._admission.leave_queue(run)
        self._operations.finish(operation, {"step": run.step})
        return operation

    def _send(self, run: LiveRun, order: Order) -> Operation:
        life = self._life_for(run, order.action)
        life.require_child()
        operation = self._operations.open(run.id, order.action)
        life.send(Command(id=operation.id, order=order))
        return operation

    def _life_for(self, run: LiveRun, action: str) -> TrainerLife:
        life = self._runs.lives.get(run.id)
        if life is None:
            hint = "; resume it first: synapsed resume latest" if run.state.ended else ""
            raise ConflictError(f"cannot {action}: {run.id} is {run.state}{hint}")
        if run.state is RunState.STOPPING and action != "stop":
            raise ConflictError(f"cannot {action}: {run.id} is stopping already")
        # One that stands still for want of room continues by itself, unless a person wants it paused.
        if action == "pause" and run.state is RunState.PAUSED and not run.degraded:
            raise ConflictError(f"cannot pause: {run.id} is paused already")
        if action == "continue" and run.state is not RunState.PAUSED:
            raise ConflictError(f"cannot continue: {run.id} is {run.state}, not paused")
        return life
