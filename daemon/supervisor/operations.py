"""Commands under way: each becomes an operation that ends as done or failed, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brain.nearest_name import did_you_mean
from daemon.supervisor.live_run import iso
from daemon.system.patience import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from daemon.supervisor.clock import Clock
    from daemon.trainer_protocol import Outcome

KEPT_IN_MEMORY = 1000

# Seconds until a command counts as lost: saving and scoring take their time, a step does not.
TIMEOUT_SECONDS = {
    "stop": 300.0,
    "pause": 300.0,
    "continue": 60.0,
    "checkpoint": 300.0,
    "evaluate": 3600.0,
    "grow": 600.0,
    "sleep": 3600.0,
    "feed": 60.0,
    "forget": 600.0,
    "generate": 120.0,
    "remembers": 120.0,
}
DEFAULT_TIMEOUT_SECONDS = 60.0


@dataclass(kw_only=True)
class Operation:
    """One command, from the request to its end."""

    id: str
    run: str | None
    action: str
    created_at: datetime
    state: str = "pending"
    result: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    conflict: bool = False
    finished_at: datetime | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def view(self) -> dict[str, Any]:
        """The Operation of the API."""
        return {
            "id": self.id,
            "run": self.run,
            "action": self.action,
            "state": self.state,
            "result": self.result,
            "error": self.error,
            "created_at": iso(self.created_at),
            "finished_at": iso(self.finished_at),
        }


class Operations:
    """All operations since the daemon started; `on_change` is called with each that begins or ends."""

    def __init__(self, clock: Clock, on_change: Callable[[Operation], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._operations: OrderedDict[str, Operation] = OrderedDict()
        self._timeouts: dict[str, Timer] = {}

    def hint(self, operation_id: str) -> str:
        """What to add to a message about an operation that does not exist."""
        otherwise = "the answer to an order names its operation; what was done: synapsed events"
        return did_you_mean(operation_id, self._operations, otherwise=otherwise)

    def open(self, run: str | None, action: str, *, timeout_seconds: float | None = None) -> Operation:
        """Begin an operation; it fails with a timeout when nothing ends it in time."""
        operation = Operation(
            id=f"op-{secrets.token_hex(6)}", run=run, action=action, created_at=self._clock.now()
        )
        self._operations[operation.id] = operation
        while len(self._operations) > KEPT_IN_MEMORY:
            oldest = next(iter(self._operations.values()))
            if oldest.state == "pending":
                break
            del self._operations[oldest.id]
        seconds = timeout_seconds or TIMEOUT_SECONDS.get(action, DEFAULT_TIMEOUT_SECONDS)
        error = f"{action} was not acknowledged within {seconds:.0f} s"
        self._timeouts[operation.id] = Timer(
            seconds, lambda: self.fail(operation, error), monotonic=self._clock.monotonic
        )
        self._on_change(operation)
        return operation

    def get(self, operation_id: str) -> Operation | None:
        """The operation of that id, if it began since the daemon started."""
        return self._operations.get(operation_id)

    def settle(self, outcome: Outcome) -> None:
        """End the operation the outcome answers; a late answer changes nothing."""
        operation = self._operations.get(outcome.id)
        if operation is None:
            return
        if outcome.ok:
            self.finish(operation, {"step": outcome.step, **outcome.result})
        else:
            operation.conflict = outcome.conflict
            self.fail(operation, outcome.error or "refused")

    def finish(self, operation: Operation, result: dict[str, Any]) -> None:
        """End it as done."""
        self._end(operation, "done", result, None)

    def fail(self, operation: Operation, error: str) -> None:
        """End it as failed, with one line for a person."""
        self._end(operation, "failed", {}, error)

    def fail_pending(self, run: str, error: str, *, but: Sequence[Operation] = ()) -> None:
        """The trainer of `run` is gone: none of its commands will be answered, except those in `but`."""
        for operation in self.pending(run):
            if operation not in but:
                self.fail(operation, error)

    def pending(self, run: str) -> list[Operation]:
        """Operations of a run that have not ended."""
        return [one for one in self._operations.values() if one.run == run and one.state == "pending"]

    def close(self) -> None:
        """Cancel all timers."""
        for timer in self._timeouts.values():
            timer.cancel()
        self._timeouts.clear()

    def _end(self, operation: Operation, state: str, result: dict[str, Any], error: str | None) -> None:
        if operation.state != "pending":
            return
        operation.state, operation.result, operation.error = state, result, error
        operation.finished_at = self._clock.now()
        timer = self._timeouts.pop(operation.id, None)
        if timer is not None:
            timer.cancel()
        operation.finished.set()
        self._on_change(operation)


async def wait_for(operation: Operation, seconds: float) -> None:
    """Wait until the operation has ended, or for that long."""
    if seconds > 0 and operation.state == "pending":
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(operation.finished.wait(), seconds)
