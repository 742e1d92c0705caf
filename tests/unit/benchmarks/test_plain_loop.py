"""The plain loop that the daemon is measured against has the same architecture, loss and updates."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.peers import plain_loop
from brain.averaging.config import AveragingConfig
from brain.build import build_brain
from brain.models.synapse.synapse_brain import Synapse
from brain.plasticity.config import BrainPlasticityConfig
from brain.ports import Batch
from daemon.config.loading import resolve_config
from daemon.trainer.steps.batching import num_replayed

LANES, ROWS, LENGTH, STEPS = 3, 5, 96, 5  # the window of 256 fills and goes round


def rows_of(step: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(step)
    return torch.randint(97, 105, (ROWS, LENGTH), generator=generator, dtype=torch.uint8)


def batch_of(step: int) -> Batch:
    lane = torch.tensor([*range(LANES), *[-1] * (ROWS - LANES)])
    return Batch(
        bytes=rows_of(step),
        mask=torch.ones(ROWS, LENGTH, dtype=torch.bool),
        lane=lane,
        reset=(lane < 0) | (step == 0),
        source=torch.zeros(ROWS, dtype=torch.int64),
    )


def test_it_imports_nothing_of_the_project() -> None:
    tree = ast.parse(Path(plain_loop.__file__).read_text(encoding="utf-8"))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom)
            else []
        )
    }  # fmt: skip
    assert modules - set(sys.stdlib_module_names) == {"numpy", "torch"}


@pytest.fixture(scope="module")
def ours() -> Synapse:
    """The default preset's brain without what the plain loop leaves out, in float32."""
    config = resolve_config(preset="default", environ={})
    brain = build_brain(
        "synapse",
        {name: value for name, value in config.brain.items() if name != "kind"} | {"precision": "fp32"},
        optimizer=replace(
            config.optimizer,
            averaging=AveragingConfig(every_steps=0),
            plasticity=BrainPlasticityConfig(replacement_rate=0.0, l2_init=0.0),
        ),
        lanes=LANES,
        device=torch.device("cpu"),
        seed=0,
    )
    assert isinstance(brain, Synapse)
    return brain


def test_its_sizes_are_those_of_the_default_preset(ours: Synapse) -> None:
    config = resolve_config(preset="default", environ={})
    theirs = {name: tuple(p.shape) for name, p in plain_loop.Brain().named_parameters()}
    assert theirs == {name: tuple(p.shape) for name, p in ours.network.named_parameters()}
    assert config.stream.rows == plain_loop.LANES + plain_loop.REPLAYED
    assert num_replayed(0, config.stream.rows, config.replay.fraction) == plain_loop.REPLAYED
    assert config.stream.segment_bytes == plain_loop.LENGTH
    assert config.threads == plain_loop.THREADS
    optimizer = config.optimizer
    assert (optimizer.learning_rate, optimizer.betas) == (plain_loop.LEARNING_RATE, plain_loop.BETAS)
    assert (optimizer.muon_learning_rate, optimizer.muon_momentum) == (
        plain_loop.MUON_RATE,
        plain_loop.MOMENTUM,
    )
    assert (optimizer.warmup_steps, optimizer.clip_norm) == (plain_loop.WARM_UP, plain_loop.CLIP)


def test_loss_and_updates_are_those_of_the_brain(ours: Synapse) -> None:
    plain = plain_loop.Brain()
    names = dict(plain.named_parameters())
    generator = torch.Generator().manual_seed(1)
    for name, tensor in ours.network.named_parameters():
        # Branches of a new brain are zero, which would hide their wiring.
        with torch.no_grad():
            tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.05)
            names[name].copy_(tensor)
    first = {name: p.detach().clone() for name, p in names.items()}
    loop = plain_loop.Loop(plain, lanes=LANES, dtype=torch.float32)
    for step in range(STEPS):
        report = ours.learn(batch_of(step))
        nats = float(report.row_loss.sum()) / ROWS
        expected = nats + report.metrics["self_model_loss"]
        assert loop.learn(rows_of(step)) == pytest.approx(expected, rel=1e-5)
    for name, tensor in ours.network.named_parameters():
        moved = (tensor - first[name]).norm()
        assert moved > 0
        # Muon orthogonalises in bfloat16, and a row of the table counts only the steps that read it.
        assert (names[name] - tensor).norm() < 0.1 * moved, name
