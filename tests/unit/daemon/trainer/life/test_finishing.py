"""What a finished run leaves behind: its held-out accuracy, and one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from daemon.errors import CheckpointError
from daemon.events import Event, ModelNotWritten
from daemon.trainer.life.finishing import finish
from daemon.trainer_protocol import Goodbye
from tests.contract.cases import LABELLED, TINY

if TYPE_CHECKING:
    from pathlib import Path

    from brain.ports import Brain
    from daemon.home import Home

SAVED = "continuous_1706123456"


class Reported:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def point(self, metric: str, step: int, value: float) -> None:
        raise AssertionError((metric, step, value))


def brain_of(kind: str) -> Brain:
    settings = {**LABELLED, **TINY}[kind][0]
    return build_brain(
        kind, settings, optimizer=OptimizerConfig(), lanes=1, device=torch.device("cpu"), seed=0
    )


def goodbye(state: str = "finished", checkpoint: str | None = SAVED) -> Goodbye:
    return Goodbye(state=state, step=7, samples=9, training_seconds=1.0, checkpoint=checkpoint, error=None)


def left_behind(
    home: Home, kind: str, goodbye: Goodbye, *, broken: bool = False
) -> tuple[list[str], list[Event]]:
    done: list[str] = []

    def export(checkpoint: str, target: Path) -> None:
        if broken:
            raise CheckpointError("the disk is full")
        assert target.parent.is_dir()
        done.append(f"{checkpoint} → {target.relative_to(home.root)}")

    report = Reported()
    finish(
        brain_of(kind),
        goodbye,
        home.models,
        evaluate=lambda: done.append("evaluated"),
        export=export,
        report=report,
    )
    return done, report.events


def test_a_finished_reflex_is_scored_and_becomes_one_file(home: Home) -> None:
    done, events = left_behind(home, "reflex", goodbye())
    assert done == ["evaluated", f"{SAVED} → models/reflex/reflex.pt"]
    (event,) = events
    assert event.message == f"[Model] Written to {home.models / 'reflex' / 'reflex.pt'}"


def test_a_file_that_cannot_be_written_is_an_event_and_no_crash(home: Home) -> None:
    done, events = left_behind(home, "reflex", goodbye(), broken=True)
    assert done == ["evaluated"]
    (event,) = events
    assert isinstance(event, ModelNotWritten)
    assert event.severity == "error"
    assert (
        event.message == "The model file could not be written: the disk is full. "
        "Its checkpoints are intact: synapsed export"
    )


@pytest.mark.parametrize(
    ("kind", "goodbye", "expected"),
    [
        ("reflex", goodbye("stopped"), []),
        ("reflex", goodbye(checkpoint=None), ["evaluated"]),
        ("classifier", goodbye(), ["evaluated"]),
        ("mingru", goodbye(), []),
    ],
)
def test_others_leave_no_file(home: Home, kind: str, goodbye: Goodbye, expected: list[str]) -> None:
    assert left_behind(home, kind, goodbye) == (expected, [])
