"""The brains that face the contract, each in a tiny form, and what they read."""

from __future__ import annotations

import json
import math
from typing import Any

import torch

from brain.build import build_brain
from brain.codecs.byte_codec import ByteCodec
from brain.optim.config import OptimizerConfig
from brain.ports import Batch, Brain, BrainState
from tests.tiny_brains.codecs import TokenCodec
from tests.tiny_brains.specs import TINY_BRAINS

TINY: dict[str, list[dict[str, Any]]] = {
    "synapse": [
        {
            "hidden_size": 16,
            "layers": ["mingru", "attention", *layers],
            "num_heads": 2,
            "window": 24,
            "mlp_ratio": 2,
            "bigram_size": 4,
            "self_model_size": 8,
            "precision": precision,
            "hippocampus_mib": memory,
            "ternary": ternary,
            "workspace_slots": slots,
            "workspace_size": 5,
        }
        for precision, memory, layers, ternary, slots in (
            ("fp32", 0, ["ssd"], False, 0),
            ("bf16", 0, ["ssd", "rwkv7"], False, 3),
            ("fp32", 20, ["kda", "gated_delta"], False, 3),
            ("fp32", 0, ["ssd"], True, 0),
        )
    ],
    "mingru": [
        {
            "hidden_size": 16,
            "num_layers": 2,
            "mlp_ratio": 2,
            "bigram_size": 4,
            "self_model_size": 8,
            "precision": "fp32",
        }
    ],
    "tars": [
        {
            "hidden_size": 16,
            "num_layers": 2,
            "rotated_channels": 6,
            "num_experts": 4,
            "expert_rank": 2,
            "pool_steps": 2,
            "self_model_size": 8,
            "precision": "fp32",
        }
    ],
    "agiformer": [
        {
            "hidden_size": 16,
            "num_layers": 1,
            "num_heads": 2,
            "window": 6,
            "patch_size": 4,
            "linear": linear,
            "mlp_ratio": 2,
            "byte_size": 12,
            "bigram_size": 4,
            "thinking_steps": 2,
            "thinking_tied": tied,
            "self_model_size": 8,
            "precision": precision,
            "hippocampus_mib": memory,
        }
        for linear, tied, precision, memory in (
            ("gated_delta", True, "fp32", 20),
            ("kda", False, "bf16", 0),
        )
    ],
}
# Brains of labelled documents keep what of the contract is not about the next byte: test_labelled_brains.
LABELLED: dict[str, list[dict[str, Any]]] = {
    "classifier": [{"hidden_size": 8, "num_buckets": 64, "max_labels": 6, "max_document_bytes": 64}],
    "reflex": [
        {
            "hidden_size": 8,
            "num_buckets": 256,
            "max_labels": 6,
            "max_document_bytes": 64,
            "label_smoothing": smoothing,
            "calibration_share": withheld,
        }
        for smoothing, withheld in ((0.0, 0.0), (0.1, 0.1))
    ],
}
CASES = [(kind, settings) for kind, cases in TINY.items() for settings in cases]
CASES += list(TINY_BRAINS.items())  # brains whose units, or modules, are none of this project's
UNITS = {"tiny-patches": 4}  # of a symbol
# Bytes at most that a row which continues leaves undecided; a row here fills its patches.
UNDECIDED = {"tiny-tokens": 2}
Case = tuple[str, dict[str, Any], torch.device]
LANES, ROWS, LENGTH = 4, 6, 20


def devices() -> list[str]:
    """The CPU, and whatever else is there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, is_there in there.items() if is_there)]


def make(
    kind: str, settings: dict[str, Any], device: torch.device, *, optimizer: str = "adamw", seed: int = 0
) -> Brain:
    config = OptimizerConfig(kind="muon" if optimizer == "muon" else "adamw", warmup_steps=2)
    return build_brain(kind, settings, optimizer=config, lanes=LANES, device=device, seed=seed)


def batches(count: int, *, seed: int = 7, ragged: bool = True) -> list[Batch]:
    """Readable bytes in four lanes and two replayed rows; now and then a document ends inside a row."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    reset = torch.ones(LANES, dtype=torch.bool)
    for _ in range(count):
        rows = torch.randint(97, 105, (ROWS, LENGTH), generator=generator, dtype=torch.uint8)
        rows[:, 1::2] = rows[:, ::2] + 1  # something to learn: every odd byte follows from the one before
        mask = torch.ones(ROWS, LENGTH, dtype=torch.bool)
        ends = torch.zeros(LANES, dtype=torch.bool)
        if ragged:
            ends = torch.rand(LANES, generator=generator) < 0.25
            for lane in ends.nonzero().flatten().tolist():
                mask[lane, int(torch.randint(1, LENGTH, (), generator=generator)) :] = False
        made.append(
            Batch(
                bytes=rows,
                mask=mask,
                lane=torch.tensor([*range(LANES), -1, -1]),
                reset=torch.cat([reset, torch.ones(2, dtype=torch.bool)]),
                source=torch.zeros(ROWS, dtype=torch.int64),
            )
        )
        reset = ends
    return made


def copied(state: BrainState) -> BrainState:
    return BrainState(
        model={name: t.clone() for name, t in state.model.items()},
        learning={name: t.clone() for name, t in state.learning.items()},
        counters=json.loads(json.dumps(dict(state.counters))),
        spec=json.loads(json.dumps(dict(state.spec))),
        tied=state.tied,
        base=state.base,
    )


def guessing(case: Case, batch: Batch) -> float:
    """Nats per byte of one that guesses: each unit of its vocabulary is as probable as any other."""
    codec = TokenCodec() if case[0] == "tiny-tokens" else ByteCodec()
    live = batch.lane >= 0
    symbols, _ = codec.encode(batch.bytes[live], batch.mask[live], None, ends=~batch.mask[live, -1])
    return math.log(codec.vocabulary) * int(symbols.valid.sum()) / int(symbols.num_bytes.sum())


def everything(brain: Brain) -> dict[str, torch.Tensor]:
    state = brain.state()
    return {name: t.clone() for name, t in {**state.model, **state.learning}.items()}


def assert_same(one: Brain, other: Brain) -> None:
    first, second = everything(one), everything(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert one.state().counters == other.state().counters
