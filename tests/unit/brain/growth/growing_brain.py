"""A small SYNAPSE brain and batches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from brain.blocks.linear import initialize
from brain.blocks.mlp import MLP
from brain.build import brain_from_spec, build_brain
from brain.growth.config import GrowthConfig
from brain.growth.decision import plan_by_hand
from brain.growth.site import Site
from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from brain.plasticity.config import BrainPlasticityConfig
from brain.ports import Batch, BrainState
from tests.contract.cases import copied

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.growth.plan import GrowthPlan

CPU = torch.device("cpu")
LANES = 3
SMALL: dict[str, Any] = {
    "hidden_size": 16, "layers": ["mingru", "attention"], "num_heads": 2, "window": 16, "mlp_ratio": 2,
    "bigram_size": 4, "self_model_size": 10, "precision": "fp32",
}  # fmt: skip


def make(
    kind: str = "adamw", *, seed: int = 0, plasticity: dict[str, Any] | None = None, **settings: Any
) -> Synapse:
    optimizer = OptimizerConfig(
        kind="muon" if kind == "muon" else "adamw",
        warmup_steps=2,
        plasticity=BrainPlasticityConfig(**plasticity or {}),
    )
    brain = build_brain("synapse", SMALL | settings, optimizer=optimizer, lanes=LANES, device=CPU, seed=seed)
    assert isinstance(brain, Synapse)
    return brain


def batch(seed: int, length: int = 24) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(97, 105, (LANES + 1, length), generator=generator, dtype=torch.uint8)
    rows[:, 1::2] = rows[:, ::2] + 1
    return Batch(
        bytes=rows,
        mask=torch.ones(rows.shape, dtype=torch.bool),
        lane=torch.tensor([*range(LANES), -1]),
        reset=torch.zeros(LANES + 1, dtype=torch.bool),
        source=torch.zeros(LANES + 1, dtype=torch.int64),
    )


def learned(brain: Synapse, first: int, end: int) -> list[float]:
    return [brain.learn(batch(seed)).loss for seed in range(first, end)]


def plan_for(brain: Synapse, site: str, fraction: float = 0.25, **settings: Any) -> GrowthPlan:
    return plan_by_hand(brain.sites(), GrowthConfig(**settings), site, fraction, seed=7)


def next_logits(brain: Synapse) -> torch.Tensor:
    """Logits of the carried lanes' next row, as the next step would give them."""
    rows = batch(99).bytes[:LANES]
    lane, reset = torch.arange(LANES), torch.zeros(LANES, dtype=torch.bool)
    symbols, _ = brain.lanes.encode(rows, torch.ones_like(rows, dtype=torch.bool), lane, reset)
    taken = brain.lanes.take(lane, reset, symbols)
    with torch.no_grad():
        logits: torch.Tensor = brain.network(symbols, taken.span, taken.state).logits
        return logits


def stored(brain: Synapse) -> BrainState:
    """All of the brain as a checkpoint would hold it."""
    return copied(brain.state())


def resumed(brain: Synapse, state: BrainState, *, seed: int = 5) -> Synapse:
    """Another brain, built from what was stored of this one."""
    other = brain_from_spec(state.spec, optimizer=brain.optimizer.config, lanes=LANES, device=CPU, seed=seed)
    assert isinstance(other, Synapse)
    other.load(state)
    return other


def differing(one: BrainState, other: BrainState) -> list[str]:
    """Names of tensors that are not equal bit for bit, or that only one has."""
    first, second = {**one.model, **one.learning}, {**other.model, **other.learning}
    names = sorted(first.keys() | second.keys())
    return [
        name
        for name in names
        if name not in first or name not in second or not torch.equal(first[name], second[name])
    ]


ONE_SITE = Site(units=0, incoming=("into.weight",), outgoing=("out.weight",))


def growing_mlp(hidden: int) -> tuple[MLP, Callable[[MLP], torch.Tensor]]:
    """One site with activations, and a loss of them."""
    generator = torch.Generator().manual_seed(5)
    mlp = MLP(6, hidden=hidden, out_size=5)
    initialize(mlp, generator)
    torch.nn.init.normal_(mlp.out.weight, std=0.3, generator=generator)
    x, target = torch.randn(200, 6, generator=generator), torch.randn(200, 5, generator=generator)
    return mlp, lambda one: (one(x) - target).square().mean()
