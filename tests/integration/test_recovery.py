"""A loss that stops being finite: skipped, rolled back, and in the end a person is asked."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import threading
from typing import TYPE_CHECKING, Any

import pytest

from daemon.orders import Stop
from daemon.trainer.assembly import assemble_parts
from daemon.trainer.link.pipe import Pipe
from daemon.trainer.link.reporting import Reporter
from daemon.trainer_protocol import Command, Report
from tests.trainer_process import tiny_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from brain.ports import Batch, StepReport
    from daemon.home import Home
    from daemon.trainer_protocol import Goodbye


class LoopUnderTest:
    """A real loop on a thread of this process, whose brain goes non-finite at chosen steps."""

    def __init__(self, home: Home, sick: Callable[[int], bool], **settings: Any) -> None:
        self.ours, theirs = multiprocessing.Pipe()
        pipe = Pipe(theirs)
        self.reporter = Reporter(pipe)
        self.parts, _ = assemble_parts(tiny_order(home, **settings), home, pipe, self.reporter)
        self.goodbye: Goodbye | None = None
        learn = self.parts.brain.learn

        def fall_ill(batch: Batch) -> StepReport:
            report = learn(batch)
            if sick(self.parts.progress.step):
                return dataclasses.replace(report, loss=math.nan, applied=False)
            return report

        self.parts.brain.learn = fall_ill  # type: ignore[method-assign]
        self.parts.saver.save("first")
        self.thread = threading.Thread(target=self._live)
        self.thread.start()

    def events(self) -> list[dict[str, Any]]:
        """All events, once the loop has ended."""
        self.thread.join(60)
        self.reporter.close()
        return [event for report in self.reports() for event in report.events]

    def reports(self) -> Iterator[Report]:
        """Reports that wait in the pipe."""
        while self.ours.poll():
            message = self.ours.recv()
            if isinstance(message, Report):
                yield message

    def wait_for_event(self, kind: str, connection: Connection) -> dict[str, Any]:
        """The next event of that kind."""
        while connection.poll(60):
            message = connection.recv()
            for event in message.events if isinstance(message, Report) else []:
                if event["kind"] == kind and event["data"].get("after") in (None, "paused"):
                    return dict(event)
        raise TimeoutError(f"no event {kind}")

    def _live(self) -> None:
        self.goodbye = self.parts.loop.run(self.parts.control)


def test_a_few_bad_steps_are_skipped(home: Home) -> None:
    run = LoopUnderTest(home, sick=lambda step: step in {5, 6}, limits__steps=20)
    kinds = [event["kind"] for event in run.events()]
    assert kinds.count("non_finite_step_skipped") == 2
    assert "rolled_back" not in kinds
    assert run.goodbye is not None
    assert run.goodbye.step == 20


def test_ten_in_a_row_roll_back_to_the_newest_checkpoint_at_half_the_rate(home: Home) -> None:
    run = LoopUnderTest(home, sick=lambda step: 8 <= step < 18, limits__steps=30)
    (rolled_back,) = (event for event in run.events() if event["kind"] == "rolled_back")
    assert rolled_back["step"] == 18
    assert rolled_back["data"]["to_step"] == 0
    assert run.parts.brain.state().counters["rate_scale"] == pytest.approx(0.5)
    assert run.goodbye is not None
    assert run.goodbye.step == 30
    assert [entry.kind for entry in run.parts.journal.entries] == ["roll_back"]


def test_after_three_roll_backs_the_run_pauses_and_can_be_stopped(home: Home) -> None:
    run = LoopUnderTest(home, sick=lambda step: step >= 4, limits__steps=1000)
    paused = run.wait_for_event("state_changed", run.ours)
    assert "non-finite" in paused["message"]
    run.ours.send(Command(id="c", order=Stop()))
    run.thread.join(60)
    assert run.goodbye is not None
    assert run.goodbye.state == "stopped"
    assert run.goodbye.checkpoint is not None
    run.reporter.close()
