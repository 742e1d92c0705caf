"""An order in which something unforeseen goes wrong costs the run nothing, neither now nor in a later life."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from daemon.journal import Journal
from daemon.orders import Evaluate, Grow, Order
from daemon.trainer.effects.broken_orders import BrokenOrders
from daemon.trainer.effects.effects import Effects
from daemon.trainer.orders.safe_point import Control
from daemon.trainer.state.journal_position import JournalPosition
from daemon.trainer_protocol import Command, Outcome, RunState

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from daemon.events import Event


class FakePipe:
    def __init__(self, order: Order) -> None:
        self.waiting = [Command(id="op-1", order=order)]
        self.sent: list[Any] = []
        self.orphaned = SimpleNamespace(is_set=lambda: False)
        self.ending = self.terminated = False

    def next_command(self) -> Command | None:
        return self.waiting.pop() if self.waiting else None

    def send(self, message: Any) -> None:
        self.sent.append(message)


class FakeEarlierBrain:
    def __init__(self) -> None:
        self.restored: list[str] = []

    def restore(self, checkpoint: str) -> int:
        self.restored.append(checkpoint)
        return 7


class Scene:
    """A run at step 7 whose growth is journaled, and then goes wrong."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.position = Journal(folder), JournalPosition()
        self.earlier_brain = FakeEarlierBrain()
        self.events: list[Event] = []
        clock: Any = SimpleNamespace(step=7)
        report: Any = SimpleNamespace(event=self.events.append)
        nobody: Any = None
        effects = Effects(
            self.position, self.journal, patient=nobody, stream=nobody, sleeping=nobody, growing=nobody,
            roll_back=nobody, erasing=nobody, save=nobody, clock=clock, report=report,
        )  # fmt: skip
        saver: Any = SimpleNamespace(newest=lambda: "continuous_7")
        earlier_brain: Any = self.earlier_brain
        self.broken = BrokenOrders(effects, earlier_brain, save=saver, clock=clock, report=report)
        self.clock = clock

    def grow(self, _order: Grow) -> dict[str, Any]:
        self.journal.append("grow", 7, {"site": "x"})
        raise RuntimeError("a fault\nin two lines")

    def evaluate(self, _order: Evaluate) -> dict[str, Any]:
        raise KeyError("total")

    def obeyed(self, order: Order) -> Outcome:
        pipe = FakePipe(order)
        life: Any = SimpleNamespace(state=RunState.RUNNING)
        nobody: Any = None
        control = Control(
            pipe,  # type: ignore[arg-type]
            {Grow: self.grow, Evaluate: self.evaluate},
            broken=self.broken,
            pauses=nobody,
            endings=nobody,
            clock=self.clock,
            life=life,
        )
        assert control() is None
        (outcome,) = pipe.sent
        assert isinstance(outcome, Outcome)
        return outcome


def test_it_is_answered_reported_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(tmp_path)
    outcome = scene.obeyed(Evaluate())
    assert (outcome.ok, outcome.conflict, outcome.error) == (False, False, "KeyError: 'total'")
    (event,) = scene.events
    assert (event.record()["kind"], event.severity) == ("order_broke", "error")
    assert "evaluate failed and was abandoned" in event.message
    assert caplog.records[0].exc_info is not None
    assert scene.earlier_brain.restored == []


def test_what_was_journaled_is_void_and_the_brain_is_that_of_the_step(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.journal.append("feed", 3, {"text": "x", "origin": "api"})
    scene.position.journal_sequence = before.sequence
    outcome = scene.obeyed(Grow())
    assert outcome.error == "RuntimeError: a fault in two lines"
    assert scene.earlier_brain.restored == ["continuous_7"]
    again = list(Journal(tmp_path).replay_from(0, 0))
    assert [(entry.kind, entry.step) for entry in again] == [("feed", 3), ("void", 7)]
    assert scene.position.journal_sequence == again[-1].sequence
    assert list(Journal(tmp_path).replay_from(7, again[-1].sequence)) == []
