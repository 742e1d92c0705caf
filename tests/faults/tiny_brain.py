"""A brain small enough to be tried to pieces, and batches for it."""

from __future__ import annotations

from typing import Any

import torch

from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

LANES, LENGTH = 3, 24


def tiny_brain(*, optimizer: OptimizerConfig | None = None, **settings: Any) -> Synapse:
    """A new brain with every kind of mixer and a table of pairs."""
    config = SynapseConfig(
        hidden_size=8,
        layers=("mingru", "attention", "ssd"),
        num_heads=2,
        window=16,
        mlp_ratio=2,
        bigram_size=2,
        self_model_size=4,
        precision="fp32",
        **settings,
    )
    return Synapse.build(
        config, optimizer=optimizer or OptimizerConfig(), lanes=LANES, device=torch.device("cpu"), seed=0
    )


def text(seed: int, *, reset: bool = False) -> Batch:
    """A row for each lane."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        bytes=torch.randint(97, 105, (LANES, LENGTH), generator=generator, dtype=torch.uint8),
        mask=torch.ones(LANES, LENGTH, dtype=torch.bool),
        lane=torch.arange(LANES),
        reset=torch.full((LANES,), reset),
        source=torch.zeros(LANES, dtype=torch.int64),
    )


def weights(brain: Synapse) -> dict[str, torch.Tensor]:
    """A copy of all that was learned, by name."""
    return {name: weight.clone() for name, weight in brain.state().model.items()}
