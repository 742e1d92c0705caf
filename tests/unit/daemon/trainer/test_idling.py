"""Nothing to read: look for a while, sleep if it is due, wait, go on."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from daemon.journal import Entry, Journal
from daemon.protocol import RunState
from daemon.trainer.idling import Idling
from daemon.trainer.storage import PatientJournal

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.trainer.loop import Loop


@dataclass
class FakeLoop:
    """The loop as idling sees it, all its parts in one; waiting moves the clock."""

    seconds: float = 100.0
    run_state: RunState = RunState.RUNNING
    sleep_due: bool = False
    step: int = 7
    pending: list[Entry] = field(default_factory=list)
    written: Journal | None = None
    told: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    degraded: list[str | None] = field(default_factory=list)

    @property
    def parts(self) -> FakeLoop:
        return self

    @property
    def sleeping(self) -> FakeLoop:
        return self

    @property
    def journal(self) -> PatientJournal:
        assert self.written is not None
        return PatientJournal(self.written, self.degraded.append, monotonic=lambda: self.seconds)

    @property
    def pipe(self) -> FakeLoop:
        return self

    def idle(self, _loop: object) -> bool:
        due, self.sleep_due = self.sleep_due, False
        if due:
            self.told.append("sleep")
        return due

    def enter(self, state: RunState, reason: str) -> None:
        assert reason
        self.run_state = state
        self.told.append(state.value)

    def apply(self, entry: Entry) -> None:
        self.told.append(f"{entry.kind} of step {entry.step}")

    def alive(self) -> None:
        self.told.append("alive")

    def wait_for_news(self, timeout_seconds: float) -> None:
        self.waits.append(timeout_seconds)
        self.seconds += timeout_seconds


def idling(loop: FakeLoop) -> Idling:
    return Idling(2.5, monotonic=lambda: loop.seconds)


def rest(idle: Idling, loop: FakeLoop, times: int) -> None:
    for _ in range(times):
        idle.rest(cast("Loop", loop))


def test_it_looks_for_a_while_then_sleeps_then_waits() -> None:
    loop = FakeLoop(sleep_due=True)
    idle = idling(loop)
    rest(idle, loop, 3)
    assert (loop.told, loop.waits) == (["alive"] * 3, [1.0, 1.0, 0.5])
    assert idle.waiting
    rest(idle, loop, 3)
    assert loop.told[3:] == ["sleep", "waiting", "alive", "alive"]
    assert loop.waits[3:] == [1.0, 1.0]


def test_text_ends_it_and_the_next_time_begins_anew() -> None:
    loop = FakeLoop()
    idle = idling(loop)
    rest(idle, loop, 4)
    loop.told.clear()
    idle.end(cast("Loop", loop))
    assert (loop.told, idle.waiting) == (["running"], False)
    idle.end(cast("Loop", loop))
    rest(idle, loop, 3)
    assert loop.told == ["running", "alive", "alive", "alive"]


def test_what_was_acknowledged_for_a_step_that_never_comes_takes_effect(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for n in (1, 2):
        journal.append("feed", 40 + n, {})
    loop = FakeLoop(pending=list(journal.entries), written=journal)
    idle = idling(loop)
    rest(idle, loop, 6)
    assert [what for what in loop.told if what != "alive"] == [
        "feed of step 7",
        "feed of step 7",
        "waiting",
    ]
    assert [(entry.step, entry.sequence) for entry in journal.entries] == [(7, 3), (7, 4)]


def test_a_roll_back_of_what_was_never_learned_is_void(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("roll_back", 41, {"checkpoint": "gone"})
    journal.append("feed", 42, {})
    loop = FakeLoop(pending=list(journal.entries), written=journal)
    rest(idling(loop), loop, 7)
    assert [what for what in loop.told if what != "alive"] == ["feed of step 7", "waiting"]
    assert loop.pending == []
    assert [(entry.kind, entry.step) for entry in Journal(tmp_path).entries] == [("feed", 7)]


@pytest.mark.parametrize("kind", ["feed", "roll_back"])
def test_a_full_disk_puts_off_what_was_acknowledged_and_the_run_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    journal = Journal(tmp_path)
    journal.append(kind, 41, {"checkpoint": "gone"})
    loop = FakeLoop(pending=list(journal.entries), written=journal)
    idle = idling(loop)
    put = Journal._put
    monkeypatch.setattr(Journal, "_put", full)
    rest(idle, loop, 6)
    assert "waiting" in loop.told
    assert "No space left" in str(loop.degraded[-1])
    assert len(loop.pending) == 1
    monkeypatch.setattr(Journal, "_put", put)
    rest(idle, loop, 2)
    assert (loop.pending, loop.degraded[-1]) == ([], None)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
