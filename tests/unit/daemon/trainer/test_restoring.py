"""Which checkpoint a session takes, and what becomes of a damaged one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from daemon.errors import TornCheckpointError
from daemon.protocol import TrainerOrder
from daemon.trainer.restoring import fit_learning, load_checkpoint
from tests.unit.brain.growth.growing_brain import learned, make, plan_for, stored
from tests.unit.daemon.checkpoint.samples import flip_bit, save_steps

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.events import Event
    from daemon.home import Home


def order_for(home: Home, checkpoint: Path, *, fall_back: bool) -> TrainerOrder:
    return TrainerOrder(
        home=home.root, run_id="r-1", session=2, config={}, checkpoint=checkpoint, fall_back=fall_back
    )


def test_a_damaged_one_that_was_asked_for_by_name_is_set_aside_and_told_of(home: Home) -> None:
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


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_plasticity_switched_on_later_begins_where_the_brain_stands(kind: str) -> None:
    plain = make(kind, plasticity={"replacement_rate": 0.0, "l2_init": 0.0})
    learned(plain, 0, 3)
    grown = plan_for(plain, "blocks.0.mlp")
    plain.grow(grown)
    learned(plain, 3, 5)
    kept = stored(plain)
    plastic = make(kind, plasticity={"replacement_rate": 1e-3, "l2_init": 0.1}, seed=9)
    plastic.rebuild(kept.spec)
    told: list[Event] = []
    learning = fit_learning(kept, plastic.state(), told.append)
    for name, tensor in learning.items():
        if name.startswith("start|"):
            assert torch.equal(tensor, kept.model[name.removeprefix("start|")]), name
        if name.endswith("|exp_avg"):
            assert tensor is kept.learning[name]
    # Elders go on at the age of their moments, newborns at theirs.
    assert learning["blocks.1.mlp.out.weight|step"].tolist() == [[5.0] * 32]
    assert learning["blocks.0.mlp.out.weight|step"].tolist() == [[5.0] * 32 + [2.0] * grown.units]
    assert [event.message.partition(" ")[0] for event in told] == ["optimizer.plasticity.l2_init", "the"]
    assert "which units are of use" in told[1].message

    # And back: the moments of every unit go on in one optimizer, as old as its elders.
    plastic.load(replace(kept, learning=learning))
    learned(plastic, 5, 6)
    again = make(kind, plasticity={"replacement_rate": 0.0, "l2_init": 0.0})
    again.rebuild(kept.spec)
    back = fit_learning(stored(plastic), again.state(), told.append)
    if kind == "adamw":
        assert back["blocks.1.mlp.out.weight|step"].item() == 6.0
    assert back["blocks.0.mlp.out.weight|step"].tolist() == [[6.0] * 32 + [3.0] * grown.units]
