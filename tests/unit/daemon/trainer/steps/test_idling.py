"""Nothing to read: look for a while, sleep if it is due, wait, continue."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from daemon.journal import Entry, Journal
from daemon.trainer.checkpoints.failing_disk import PatientJournal
from daemon.trainer.effects.effects import Effects
from daemon.trainer.state.journal_position import JournalPosition
from daemon.trainer.steps.idling import Idling
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass
class FakeRun:
    """The run as idling sees it, all that it needs in one; waiting moves the clock."""

    seconds: float = 100.0
    state: RunState = RunState.RUNNING
    sleep_due: bool = False
    step: int = 7
    pending: list[Entry] = field(default_factory=list)
    written: Journal | None = None
    story: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    degraded: list[str | None] = field(default_factory=list)

    def order_when_idle(self) -> dict[str, Any] | None:
        due, self.sleep_due = self.sleep_due, False
        return {"steps": 5} if due else None

    def decide(self, kind: str, payload: Mapping[str, Any]) -> object:
        self.story.append(kind)
        return payload

    def catch_up(self) -> bool:
        if self.written is None:
            return False
        patient = PatientJournal(self.written, self.degraded.append, monotonic=lambda: self.seconds)
        position, nobody = JournalPosition(), cast("Any", None)
        position.pending = self.pending
        effects = Effects(
            position, self.written, patient=patient, stream=nobody, sleeping=nobody, growing=nobody, roll_back=nobody,
            erasing=nobody, save=nobody, clock=cast("Any", self), report=nobody,
        )  # fmt: skip
        effects.apply = self.apply  # type: ignore[method-assign]
        return effects.catch_up()

    def enter(self, state: RunState, reason: str) -> None:
        assert reason
        self.state = state
        self.story.append(state.value)

    def apply(self, entry: Entry) -> None:
        self.story.append(f"{entry.kind} of step {entry.step}")

    def alive(self) -> None:
        self.story.append("alive")

    def wait_for_news(self, timeout_seconds: float) -> None:
        self.waits.append(timeout_seconds)
        self.seconds += timeout_seconds


def idling(run: FakeRun) -> Idling:
    return Idling(
        2.5,
        sleep_when_idle=run.order_when_idle,
        decisions=run,
        life=cast("Any", run),
        news=run,
        monotonic=lambda: run.seconds,
    )


def rest(idle: Idling, times: int) -> None:
    for _ in range(times):
        idle.rest()


def test_it_looks_for_a_while_then_sleeps_then_waits() -> None:
    run = FakeRun(sleep_due=True)
    idle = idling(run)
    rest(idle, 3)
    assert (run.story, run.waits) == (["alive"] * 3, [1.0, 1.0, 0.5])
    assert idle.waiting
    rest(idle, 3)
    assert run.story[3:] == ["sleep", "waiting", "alive", "alive"]
    assert run.waits[3:] == [1.0, 1.0]


def test_text_ends_it_and_the_next_time_starts_over() -> None:
    run = FakeRun()
    idle = idling(run)
    rest(idle, 4)
    run.story.clear()
    idle.end()
    assert (run.story, idle.waiting) == (["running"], False)
    idle.end()
    rest(idle, 3)
    assert run.story == ["running", "alive", "alive", "alive"]


def test_what_was_acknowledged_for_a_step_that_never_comes_takes_effect(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for n in (1, 2):
        journal.append("feed", 40 + n, {})
    run = FakeRun(pending=list(journal.entries), written=journal)
    idle = idling(run)
    rest(idle, 6)
    assert [what for what in run.story if what != "alive"] == [
        "feed of step 7",
        "feed of step 7",
        "waiting",
    ]
    assert [(entry.step, entry.sequence) for entry in journal.entries] == [(7, 3), (7, 4)]


def test_a_roll_back_of_what_was_never_learned_is_void(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("roll_back", 41, {"checkpoint": "gone"})
    journal.append("feed", 42, {})
    run = FakeRun(pending=list(journal.entries), written=journal)
    rest(idling(run), 7)
    assert [what for what in run.story if what != "alive"] == ["feed of step 7", "waiting"]
    assert run.pending == []
    assert [(entry.kind, entry.step) for entry in Journal(tmp_path).entries] == [("feed", 7)]


@pytest.mark.parametrize("kind", ["feed", "roll_back"])
def test_a_full_disk_puts_off_what_was_acknowledged_and_the_run_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    journal = Journal(tmp_path)
    journal.append(kind, 41, {"checkpoint": "gone"})
    run = FakeRun(pending=list(journal.entries), written=journal)
    idle = idling(run)
    put = Journal._put
    monkeypatch.setattr(Journal, "_put", full)
    rest(idle, 6)
    assert "waiting" in run.story
    assert "No space left" in str(run.degraded[-1])
    assert len(run.pending) == 1
    monkeypatch.setattr(Journal, "_put", put)
    rest(idle, 2)
    assert (run.pending, run.degraded[-1]) == ([], None)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
