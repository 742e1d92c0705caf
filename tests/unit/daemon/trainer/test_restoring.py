"""Which checkpoint a session takes, and what becomes of a damaged one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.errors import TornCheckpointError
from daemon.protocol import TrainerOrder
from daemon.trainer.restoring import load_checkpoint
from tests.unit.daemon.checkpoint.samples import flip_bit, save_steps

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.events import Event
    from daemon.home import Home


def order_for(home: Home, checkpoint: Path, *, fall_back: bool) -> TrainerOrder:
    return TrainerOrder(
        home=home.root, run_id="r-1", session=2, config={}, checkpoint=checkpoint, fall_back=fall_back
    )


def test_a_damaged_one_that_was_asked_for_by_name_is_set_aside_and_reported(home: Home) -> None:
    older, newer = save_steps(home.checkpoints, [1, 2])
    flip_bit(newer / "model.safetensors", 800)
    events: list[Event] = []
    with pytest.raises(TornCheckpointError, match=f"Resume the one before it: synapsed resume {older.name}"):
        load_checkpoint(order_for(home, newer, fall_back=False), home, events.append)
    assert [event.kind() for event in events] == ["checkpoint_set_aside"]
    assert (home.checkpoints / f"damaged-{newer.name}").is_dir()
    loaded = load_checkpoint(order_for(home, older, fall_back=False), home, events.append)
    assert loaded is not None
    assert loaded.manifest.step == 1


def test_a_damaged_one_elsewhere_is_left_where_it_is(home: Home, tmp_path: Path) -> None:
    (path,) = save_steps(tmp_path / "elsewhere", [1])
    flip_bit(path / "model.safetensors", 800)
    with pytest.raises(TornCheckpointError):
        load_checkpoint(order_for(home, path, fall_back=True), home, lambda _: None)
    assert path.is_dir()
