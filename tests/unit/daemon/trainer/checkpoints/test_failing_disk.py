"""A failing disk is distinguished from other errors, waited for, and tried again less and less often."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from daemon.errors import CheckpointError, UsageError
from daemon.journal import Journal
from daemon.system.retry import Retry
from daemon.trainer.checkpoints.failing_disk import PatientJournal, is_failing_disk
from daemon.trainer.session import wait_for_disk
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.events import Event
    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.link.reporting import Reporter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def disk_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def raised_from(cause: OSError) -> CheckpointError:
    error = CheckpointError("the journal could not be written")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failing"),
    [
        (disk_error(errno.ENOSPC), True),
        (disk_error(errno.EDQUOT), True),
        (disk_error(errno.EIO), True),
        (disk_error(errno.EROFS), True),
        (disk_error(errno.EACCES), False),
        (disk_error(errno.ENOENT), False),
        (raised_from(disk_error(errno.ENOSPC)), True),
        (raised_from(disk_error(errno.EACCES)), False),
        (UsageError("a wrong setting"), False),
    ],
)
def test_what_a_failing_disk_is(error: Exception, *, failing: bool) -> None:
    assert is_failing_disk(error) is failing


def test_tries_come_less_and_less_often() -> None:
    clock = Clock()
    retry = Retry(monotonic=clock)
    waits = []
    for _ in range(8):
        retry.failed()
        begun = clock.now
        while not retry.due:
            clock.now += 1.0
        waits.append(clock.now - begun)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    retry.failed()
    retry.succeeded()
    assert retry.due


def test_a_journal_that_cannot_be_written_puts_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, degraded, tries = Clock(), list[str | None](), list[int]()
    real = Journal(tmp_path)
    journal = PatientJournal(real, degraded.append, monotonic=clock)

    def full(*_: object) -> None:
        tries.append(1)
        raise disk_error(errno.ENOSPC)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_put", full)
        assert journal.append("sleep", 3, {}) is None
        assert journal.append("sleep", 3, {}) is None  # its time has not come: nothing is tried
        assert not journal.truncate_after(3)
        assert len(tries) == 1
        assert len(degraded) == 1
        assert "No space left" in str(degraded[0])
        clock.now += 5
        assert journal.append("sleep", 3, {}) is None
        assert len(tries) == 2
    journal.disk_is_back()
    entry = journal.append("sleep", 3, {})
    assert entry is not None
    assert real.entries == (entry,)
    assert degraded[-1] is None


class FakePipe:
    """Lets time pass on the clock; the run is to end after a number of waits."""

    def __init__(self, clock: Clock, *, ends_after: int = 1000) -> None:
        self._clock, self.waits, self._ends_after = clock, 0, ends_after

    @property
    def ending(self) -> bool:
        return self.waits >= self._ends_after

    def wait_for_news(self, seconds: float) -> None:
        self.waits += 1
        self._clock.now += seconds


class FakeReporter:
    def __init__(self) -> None:
        self.reasons: list[str | None] = []
        self.events: list[Event] = []
        self.states: set[RunState] = set()

    def set_degraded(self, cause: str, reason: str | None) -> bool:
        assert cause == "start"
        before = self.reasons[-1] if self.reasons else None
        self.reasons.append(reason)
        return before != reason

    def event(self, event: Event) -> None:
        self.events.append(event)

    def alive(self, state: RunState, **_: Any) -> None:
        self.states.add(state)


def begin(work: Any, pipe: FakePipe, reporter: FakeReporter, clock: Clock) -> Any:
    retry = Retry(monotonic=clock)
    return wait_for_disk(work, cast("Pipe", pipe), cast("Reporter", reporter), retry=retry)


def test_a_session_waits_for_the_disk_it_begins_on() -> None:
    clock, reporter = Clock(), FakeReporter()
    pipe = FakePipe(clock)
    outcomes: list[Exception | str] = [
        disk_error(errno.ENOSPC),
        raised_from(disk_error(errno.EROFS)),
        "begun",
    ]

    def work() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert begin(work, pipe, reporter, clock) == "begun"
    assert pipe.waits == 15  # after 5 s and after 10, with a sign of life each second
    assert reporter.states == {RunState.STARTING}
    assert "No space left" in str(reporter.reasons[0])
    assert [getattr(event, "degraded", None) for event in reporter.events] == [True, True, False]


def test_it_waits_no_longer_than_the_run_lives() -> None:
    clock, reporter = Clock(), FakeReporter()

    def work() -> str:
        raise disk_error(errno.ENOSPC)

    with pytest.raises(OSError, match="No space left"):
        begin(work, FakePipe(clock, ends_after=3), reporter, clock)


def test_a_mistake_is_not_waited_for() -> None:
    clock, reporter = Clock(), FakeReporter()
    pipe = FakePipe(clock)

    def work() -> str:
        raise UsageError("a wrong setting")

    with pytest.raises(UsageError):
        begin(work, pipe, reporter, clock)
    assert (pipe.waits, reporter.events) == (0, [])
