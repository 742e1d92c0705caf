"""A run that continues from a single file: it has a checkpoint of its own at once, and a way back before that."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.home import Home
from daemon.trainer.life.ending import Ending
from daemon.trainer.loop import Loop
from daemon.trainer.offline.questions import export
from daemon.trainer_protocol import Goodbye, RunState
from tests.full_disk import FailingDisk
from tests.one_life import OneLife
from tests.trainer_process import tiny_order

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.faults

BARE: dict[str, Any] = {"vitals__enabled": False, "forgetting__enabled": False, "sample__max_bytes": 0}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "notes.txt"
    path.write_text("what is read again and again\n" * 2000)
    return {**BARE, "stream__data": [str(path)]}


@pytest.fixture
def single_file(home: Home, tmp_path: Path, settings: dict[str, Any]) -> Path:
    """A `.pt` of step 3, in no folder of a home."""
    life = OneLife(tiny_order(home, limits__steps=3, **settings))
    return export(home, str(life.goodbye.checkpoint), tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Home:
    made = Home.open(tmp_path / "other", environ={})
    made.prepare()
    return made


@pytest.mark.fault(
    "Resumed from a single file",
    tried="a run continues from a .pt in another home",
    happens="it commits a first checkpoint before it learns, so there is always one to come back to",
)
def test_a_first_checkpoint_comes_at_once(single_file: Path, other: Home, settings: dict[str, Any]) -> None:
    life = OneLife(tiny_order(other, checkpoint=single_file, limits__steps=2, **settings))
    saved = [(e["data"]["reason"], e["step"]) for e in life.events if e["kind"] == "checkpoint_saved"]
    assert saved == [("first", 3), ("final", 5)]


@pytest.mark.fault(
    "Resumed from a single file",
    tried="a fork continues from an older checkpoint of another run",
    happens="it commits a first checkpoint of its own, whatever becomes of the other run's",
)
def test_a_fork_has_one_of_its_own(home: Home, settings: dict[str, Any]) -> None:
    parent = OneLife(tiny_order(home, limits__steps=3, **settings))
    origin = home.checkpoints / str(parent.goodbye.checkpoint)
    OneLife(
        tiny_order(home, run_id="r-fork", fork_of="r-test", checkpoint=origin, limits__steps=1, **settings)
    )
    steps = [
        (info.manifest.reason, info.manifest.step) for info in Catalogue(home.checkpoints).list("r-fork")
    ]
    assert steps == [("final", 4), ("first", 3)]
    # Its own is enough.
    again = OneLife(tiny_order(home, session=2, checkpoint=origin, limits__steps=1, **settings))
    assert [e["data"]["reason"] for e in again.events if e["kind"] == "checkpoint_saved"] == ["final"]


@pytest.mark.fault(
    "Resumed from a single file",
    tried="the loss is not finite before anything could be saved beside the .pt",
    happens="the brain goes back to the .pt itself",
)
def test_a_roll_back_before_the_first_save_finds_the_file(
    single_file: Path, other: Home, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingDisk(monkeypatch, "checkpoint")

    def skip_a_step(loop: Loop, _obey: object) -> Goodbye:
        brain = loop._waking._brain
        learn = brain.learn
        brain.learn = lambda batch: replace(learn(batch), loss=math.nan, applied=False)  # type: ignore[method-assign]
        loop.take_step()
        return loop._endings.close(Ending(state=RunState.STOPPED, reason="a test wants it"))

    monkeypatch.setattr(Loop, "run", skip_a_step)
    order = tiny_order(other, checkpoint=single_file, recovery__rollback_after_skips=1, **settings)
    reported = OneLife(order)
    (rolled_back,) = [event for event in reported.events if event["kind"] == "rolled_back"]
    assert rolled_back["data"]["to_step"] == 3
    assert reported.goodbye.checkpoint == single_file.name
    assert "No space left" in str(reported.goodbye.error)
