"""Which checkpoint a session takes, and what becomes of a damaged one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from daemon.checkpoint.checkpoint_reader import load
from daemon.config.tree import RunConfig
from daemon.errors import ConfigError, TornCheckpointError
from daemon.trainer.checkpoints.restoring import load_checkpoint, with_option
from daemon.trainer_protocol import TrainerOrder
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


def test_a_run_that_asks_for_it_goes_on_with_the_ternary_form_of_its_checkpoint(home: Home) -> None:
    (path,) = save_steps(home.checkpoints, [1])
    loaded = load(path)
    spec = {"kind": "synapse", "config": {"hidden_size": 8}}
    arrays = {"held_out|book": np.zeros(2), "probes|rows|book": np.zeros(2)}
    learning = {"trial|average": torch.zeros(2), "w|momentum_buffer": torch.zeros(2)}
    loaded = replace(loaded, manifest=replace(loaded.manifest, spec=spec), arrays=arrays, learning=learning)
    events: list[Event] = []
    assert with_option(RunConfig(), loaded, events.append) is loaded
    asks = RunConfig(brain={"kind": "synapse", "ternary": True})
    made = with_option(asks, loaded, events.append)
    assert made.manifest.spec["config"] == {"hidden_size": 8, "ternary": True}
    assert (set(made.arrays), set(made.learning)) == ({"probes|rows|book"}, {"w|momentum_buffer"})
    assert ["ternary from here on" in event.message for event in events] == [True]
    assert with_option(asks, made, events.append) is made
    other = replace(loaded, manifest=replace(loaded.manifest, spec={"kind": "classifier", "config": {}}))
    with pytest.raises(ConfigError, match="no ternary form"):
        with_option(asks, other, events.append)
