from __future__ import annotations

import asyncio

import pytest

from daemon.supervisor.clock import SystemClock
from daemon.supervisor.operations import Operation, Operations
from daemon.trainer_protocol import Outcome

pytestmark = pytest.mark.anyio


async def test_an_operation_is_settled_once() -> None:
    states: list[str] = []
    operations = Operations(SystemClock(), lambda operation: states.append(operation.state))
    operation = operations.open("r", "pause")
    operations.settle(Outcome(id=operation.id, ok=True, step=5, result={"checkpoint": "c"}))
    operations.settle(Outcome(id=operation.id, ok=False, step=6, error="late"))
    operations.settle(Outcome(id="op-unknown", ok=True, step=6))
    assert operation.view()["result"] == {"step": 5, "checkpoint": "c"}
    assert states == ["pending", "done"]
    operations.close()


async def test_silence_fails_it_in_one_line() -> None:
    ended = asyncio.Event()

    def changed(operation: Operation) -> None:
        if operation.state != "pending":
            ended.set()

    operations = Operations(SystemClock(), changed)
    operation = operations.open("r", "pause", timeout_seconds=0.01)
    await asyncio.wait_for(ended.wait(), 5)
    assert (operation.state, operation.error) == ("failed", "pause was not acknowledged within 0 s")


async def test_time_slept_through_makes_no_silence() -> None:
    clock = FrozenAt(number=2, seconds=7200.0)
    operations = Operations(clock, lambda _: None)
    operation = operations.open("r", "pause", timeout_seconds=0.4)
    await asyncio.wait_for(clock.looked_again.wait(), 5)  # parts of it have passed since
    assert operation.state == "pending"
    operations.settle(Outcome(id=operation.id, ok=True, step=5))
    assert operation.state == "done"
    operations.close()


LOOKS_AFTER = 4


class FrozenAt(SystemClock):
    """The machine's clock, which jumps ahead before it is looked at for the time of that number."""

    def __init__(self, *, number: int, seconds: float) -> None:
        self.looks, self.ahead = 0, 0.0
        self.looked_again = asyncio.Event()
        self._number, self._seconds = number, seconds

    def monotonic(self) -> float:
        self.looks += 1
        if self.looks == self._number:
            self.ahead += self._seconds
        if self.looks == self._number + LOOKS_AFTER:
            self.looked_again.set()
        return super().monotonic() + self.ahead


async def test_a_lost_trainer_fails_its_own_only() -> None:
    operations = Operations(SystemClock(), lambda _: None)
    mine, other = operations.open("r", "pause"), operations.open("s", "pause")
    operations.fail_pending("r", "lost")
    assert (mine.state, other.state) == ("failed", "pending")
    operations.close()
