"""An order in which something unforeseen goes wrong costs the run nothing, neither now nor in a later life."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from daemon.journal import Journal
from daemon.orders import Evaluate, Grow, Order
from daemon.protocol import Command, Outcome, RunState
from daemon.trainer.control import Control
from daemon.trainer.loop import Loop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from daemon.events import Event


class FakePipe:
    def __init__(self, order: Order) -> None:
        self.waiting = [Command(id="op-1", order=order)]
        self.said: list[Any] = []
        self.orphaned = SimpleNamespace(is_set=lambda: False)
        self.ending = self.terminated = False

    def next_command(self) -> Command | None:
        return self.waiting.pop() if self.waiting else None

    def say(self, message: Any) -> None:
        self.said.append(message)


class FakeSaver:
    def __init__(self) -> None:
        self.restored: list[str] = []

    def newest(self) -> str:
        return "continuous_7"

    def restore_brain(self, _loop: Any, checkpoint: str) -> int:
        self.restored.append(checkpoint)
        return 7


class FakeReporter:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


class FakeLoop:
    """A loop at step 7 whose growth is journaled, and then goes wrong."""

    run_state = RunState.RUNNING
    step = 7

    def __init__(self, folder: Path) -> None:
        self.parts = SimpleNamespace(
            journal=Journal(folder),
            saver=FakeSaver(),
            reporter=FakeReporter(),
            state=SimpleNamespace(journal_sequence=0),
            growing=SimpleNamespace(plan_by_hand=lambda *_: None, grow_by_hand=self.grow),
        )

    def grow(self, *_: object) -> dict[str, Any]:
        self.parts.journal.append("grow", self.step, {"site": "x"})
        raise RuntimeError("a fault\nin two lines")

    def evaluate(self) -> dict[str, float]:
        raise KeyError("total")


def obeyed(loop: FakeLoop, order: Order) -> Outcome:
    pipe = FakePipe(order)
    assert Control(pipe)(loop) is None  # type: ignore[arg-type]
    (outcome,) = pipe.said
    assert isinstance(outcome, Outcome)
    return outcome


def test_it_is_answered_told_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loop = FakeLoop(tmp_path)
    outcome = obeyed(loop, Evaluate())
    assert (outcome.ok, outcome.conflict, outcome.error) == (False, False, "KeyError: 'total'")
    (event,) = loop.parts.reporter.events
    assert (event.record()["kind"], event.severity) == ("order_broke", "error")
    assert "evaluate went wrong" in event.message
    assert caplog.records[0].exc_info is not None
    assert loop.parts.saver.restored == []


def test_what_was_journaled_is_void_and_the_brain_is_that_of_the_step(tmp_path: Path) -> None:
    loop = FakeLoop(tmp_path)
    before = loop.parts.journal.append("feed", 3, {"text": "x", "origin": "api"})
    loop.parts.state.journal_sequence = before.sequence
    outcome = obeyed(loop, Grow())
    assert outcome.error == "RuntimeError: a fault in two lines"
    assert loop.parts.saver.restored == ["continuous_7"]
    again = list(Journal(tmp_path).replay_from(0, 0))
    assert [(entry.kind, entry.step) for entry in again] == [("feed", 3), ("void", 7)]
    assert loop.parts.state.journal_sequence == again[-1].sequence
    assert list(Journal(tmp_path).replay_from(7, again[-1].sequence)) == []


def test_a_void_entry_takes_effect_as_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    empty = journal.void(journal.append("grow", 7, {"site": "x"}))
    loop = FakeLoop(tmp_path)
    Loop.apply(loop, empty)  # type: ignore[arg-type]
    assert loop.parts.state.journal_sequence == empty.sequence
