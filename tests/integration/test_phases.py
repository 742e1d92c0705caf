"""A brain trained in phases by a trainer: on a checkpoint's weights, killed and resumed, with a proof at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from brain.models.tars.phases import PHASES
from daemon.checkpoint.catalogue import Catalogue
from daemon.config.loading import config_from_dict
from daemon.errors import NotFoundError
from daemon.trainer.checkpoints.pretraining import pretrained_brain
from tests.integration.test_kinds_of_brains import settings_of
from tests.trainer_process import TrainerProcess, spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home
    from daemon.trainer_protocol import TrainerOrder

STEPS = 12


def order(home: Home, tmp_path: Path, phase: int, **more: Any) -> TrainerOrder:
    settings: dict[str, Any] = settings_of("tars", tmp_path) | {
        "brain__phase": phase,
        "brain__hippocampus_mib": 0,
        "optimizer__learning_rate": PHASES[phase].learning_rate,
        "limits__steps": STEPS,
    }
    return tiny_order(home, **settings | more)


def proof_of(run: TrainerProcess) -> dict[str, Any]:
    (event,) = [event for event in run.events if event["kind"] == "phase_proven"]
    found: dict[str, Any] = event["data"] | {"message": event["message"]}
    return found


def test_a_phase_is_a_run_of_its_own_on_anothers_weights_and_ends_with_its_proof(
    home: Home, tmp_path: Path
) -> None:
    first = spawn(order(home, tmp_path, 1))
    ended = first.finish()
    assert ended.checkpoint is not None, ended.error
    assert proof_of(first)["holds"]
    before = load_file(home.checkpoints / ended.checkpoint / "model.safetensors")

    second = spawn(order(home, tmp_path, 2, run_id="r-second", pretrained=ended.checkpoint))
    second.receive_until(lambda seen: seen.ready is not None)
    second.order("checkpoint")
    second.receive_until(lambda seen: seen.step >= 4)
    second.kill()
    saved = Catalogue(home.checkpoints).latest("r-second")
    assert saved is not None
    again = {"checkpoint": saved.path, "limits_from_checkpoint": True}
    resumed = spawn(order(home, tmp_path, 2, run_id="r-second", session=2, **again))
    last = resumed.finish()
    assert (last.state, last.step) == ("finished", STEPS), last.error
    assert last.checkpoint is not None
    after = load_file(home.checkpoints / last.checkpoint / "model.safetensors")
    kept = {name for name in before if (before[name] == after[name]).all()}
    assert kept == {name for name in before if not PHASES[2].lets_learn(name)}
    proof = proof_of(resumed)
    assert proof["holds"]
    assert (proof["num_frozen"], proof["num_trained"]) == (len(kept), len(before) - len(kept))
    assert proof["message"].startswith(
        f"[Phase 2] Proven: {len(kept)} of {len(kept)} frozen weights have not moved"
    )
    spec = json.loads((home.checkpoints / last.checkpoint / "MANIFEST.json").read_text())["spec"]
    assert spec["config"]["phase"] == 2


def test_weights_that_are_nowhere_end_the_run_with_one_line(home: Home, tmp_path: Path) -> None:
    config = config_from_dict(order(home, tmp_path, 2, pretrained="continuous_1").config)
    with pytest.raises(NotFoundError, match="No checkpoint is called 'continuous_1'"):
        pretrained_brain(config, home, torch.device("cpu"))
