"""The probes find the faults they are there for."""

from __future__ import annotations

import torch

from brain.build import build_brain
from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from brain.ports import Batch
from tests.contract.probes.causality import brain_leak, sequence_leak
from tests.contract.probes.coverage import share_learned
from tests.contract.probes.freezing import changed_by


def make() -> Synapse:
    brain = build_brain(
        "synapse",
        {"hidden_size": 8, "layers": ["mingru"], "bigram_size": 2, "self_model_size": 4, "precision": "fp32"},
        optimizer=OptimizerConfig(warmup_steps=1),
        lanes=2,
        device=torch.device("cpu"),
        seed=0,
    )
    assert isinstance(brain, Synapse)
    return brain


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        bytes=torch.randint(0, 256, (2, 12), generator=generator, dtype=torch.uint8),
        mask=torch.ones(2, 12, dtype=torch.bool),
        lane=torch.arange(2),
        reset=torch.zeros(2, dtype=torch.bool),
        source=torch.zeros(2, dtype=torch.int64),
    )


def test_a_leak_of_one_position_is_found() -> None:
    x = torch.arange(12.0).view(1, 12, 1)
    assert sequence_leak(lambda x: x.roll(-1, dims=1), x, 6) > 0
    assert sequence_leak(lambda x: torch.cat([x[:, :1], x[:, :-1]], dim=1), x, 6) == 0.0


def test_a_brain_that_peeks_is_found() -> None:
    brain = make()
    for seed in range(3):
        brain.learn(batch(seed))
    rows = batch(5).bytes
    assert brain_leak(brain, rows, 6) == 0.0
    peek = brain.network.blocks[0].mlp.forward  # type: ignore[union-attr]
    brain.network.blocks[0].mlp.forward = lambda x: peek(x) + x.mean(dim=1, keepdim=True)  # type: ignore[union-attr]
    assert brain_leak(brain, rows, 6) > 0


def test_weights_that_never_learn_are_found() -> None:
    brain = make()
    brain.freeze("blocks.0.mlp.")
    shares = share_learned(brain, [batch(seed) for seed in (0, 0, 1)])
    assert {name for name, share in shares.items() if share == 0.0} == {
        "blocks.0.mlp.into.weight", "blocks.0.mlp.out.weight",
    }  # fmt: skip
    assert shares["head.weight"] == 1.0


def test_what_moved_is_named() -> None:
    brain = make()
    assert changed_by(brain, lambda: None) == []
    brain.freeze("")
    brain.freeze("head.", frozen=False)
    changed = changed_by(brain, lambda: brain.learn(batch()))
    # Which units are worked with is known of frozen ones too.
    assert [name for name in changed if not name.startswith(("carried|", "plasticity|"))] == [
        "head.weight", "head.weight|exp_avg", "head.weight|exp_avg_sq", "head.weight|step", "averaged", "step",
    ]  # fmt: skip
