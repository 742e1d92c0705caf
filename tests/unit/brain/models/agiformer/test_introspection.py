"""What thinking does is measured as it is: by every number of steps, beside a twin, and without a change."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from brain.build import build_brain
from brain.errors import SettingsError
from brain.models.agiformer.agiformer_brain import Agiformer
from brain.models.agiformer.introspection import inspect_thinking
from brain.models.agiformer.network import AgiformerNetwork
from brain.optim.config import OptimizerConfig
from brain.vitals.twins import draw_silent
from tests.contract.cases import TINY, batches
from tests.contract.probes.freezing import changed_by


def make(**settings: Any) -> Agiformer:
    made = build_brain(
        "agiformer",
        TINY["agiformer"][0] | {"hippocampus_mib": 0} | settings,
        optimizer=OptimizerConfig(),
        lanes=1,
        device=torch.device("cpu"),
        seed=0,
    )
    assert isinstance(made, Agiformer)
    draw_silent(made, seed=1)
    return made


def text() -> list[tuple[torch.Tensor, torch.Tensor]]:
    first, second = batches(2)
    second.mask[:, 11:] = False
    return [(first.bytes, first.mask), (second.bytes, second.mask)]


@pytest.mark.parametrize(("steps", "tied", "most"), [(0, True, 0), (2, True, None), (2, False, 2)])
def test_it_says_how_much_it_can_think(steps: int, tied: bool, most: int | None) -> None:
    brain = make(thinking_steps=steps, thinking_tied=tied)
    assert (brain.thinking_steps, brain.most_thinking_steps) == (steps, most)
    if most is None:
        brain.think(5)
        assert brain.thinking_steps == 5
    else:
        with pytest.raises(SettingsError, match=f"has {most} steps"):
            brain.think(most + 1)


def test_every_number_of_steps_costs_what_reading_with_it_costs() -> None:
    brain = make()
    found: dict[str, Any] = {}
    assert changed_by(brain, lambda: found.update(inspect_thinking(brain, text()))) == []
    num_bytes = sum(int(mask.sum()) for _, mask in text())
    assert found["num_bytes"] == num_bytes
    assert found["halting"] is None
    assert isinstance(brain.network, AgiformerNetwork)
    for row in found["steps"]:
        brain.network.thinking_steps = row["steps"]
        nats = sum(float(brain.score(rows, mask).sum()) for rows, mask in text())
        assert row["bpc"] == pytest.approx(nats / num_bytes / math.log(2), rel=1e-4)
        assert 0 < row["entropy"] < 8
        assert row["untrained_bpc"] > 0
    assert [row["steps"] for row in found["steps"]] == [0, 1, 2, 3, 5, 8]
    assert found["steps"][0]["delta_z"] is None
    assert all(row["delta_z"] > 0 and row["untrained_delta_z"] > 0 for row in found["steps"][1:])


def test_bytes_that_settle_last_come_first() -> None:
    found = inspect_thinking(make(), text() * 5)
    steps = [row["steps"] for row in found["bytes"]]
    assert steps == sorted(steps, reverse=True)
    assert all(0 <= each <= found["thinking_steps"] for each in steps)
    assert all(row["count"] >= 20 for row in found["bytes"])


def test_untied_steps_are_read_as_far_as_they_go() -> None:
    assert [row["steps"] for row in inspect_thinking(make(thinking_tied=False), text())["steps"]] == [0, 1, 2]


@pytest.mark.parametrize(("bias", "steps"), [(9.0, 0.0), (-9.0, 2.0)])
@torch.no_grad()
def test_exits_are_measured_as_they_are_obeyed(bias: float, steps: float) -> None:
    brain = make(halting=True)
    assert isinstance(brain.network, AgiformerNetwork)
    assert brain.network.thinking is not None
    assert brain.network.thinking.exit_bias is not None
    brain.network.thinking.exit_bias.fill_(bias)
    found = inspect_thinking(brain, text())
    by_steps = {row["steps"]: row["bpc"] for row in found["steps"]}
    assert found["halting"]["steps"] == steps
    assert found["halting"]["bpc"] == pytest.approx(by_steps[int(steps)], rel=1e-4)
    assert brain.network.thinking.halts


def test_a_brain_that_does_not_think_says_so() -> None:
    with pytest.raises(SettingsError, match="no steps of thinking"):
        inspect_thinking(make(thinking_steps=0), text())
