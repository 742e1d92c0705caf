"""The brain really learns: its loss falls on text, and not on the same bytes in random order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from brain.build import fresh_brain
from brain.ports import Batch
from daemon.config.loading import resolve_config
from daemon.streams.stream import ExperienceStream
from daemon.trainer.steps.batching import assemble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

STEPS = 250
LAST = 50


def prequential_bpc(cache: Path, reorder: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """BPC of the first step and mean of the last ones; `reorder` gets uint8 (B, T)."""
    config = resolve_config(preset="tiny", environ={})
    brain = fresh_brain(
        config.brain,
        optimizer=config.optimizer,
        lanes=config.stream.rows,
        device=torch.device("cpu"),
        seed=0,
    )
    lanes = list(range(config.stream.rows))
    stream = ExperienceStream.open(config.stream, lanes=len(lanes), seed=0, cache=cache, emit=lambda _: None)
    losses = []
    for _ in range(STEPS):
        batch = assemble(stream.next(lanes)[0], None, torch.device("cpu"))
        losses.append(brain.learn(with_bytes(batch, reorder(batch.bytes))).loss / math.log(2))
    return losses[0], sum(losses[-LAST:]) / LAST


def with_bytes(batch: Batch, rows: Tensor) -> Batch:
    return Batch(bytes=rows, mask=batch.mask, lane=batch.lane, reset=batch.reset, source=batch.source)


def test_the_loss_falls_on_text_and_not_on_shuffled_bytes(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)

    def shuffled(rows: Tensor) -> Tensor:
        return rows.flatten()[torch.randperm(rows.numel(), generator=generator)].view_as(rows)

    first, on_text = prequential_bpc(tmp_path / "text", lambda rows: rows)
    _, on_shuffled = prequential_bpc(tmp_path / "shuffled", shuffled)
    assert abs(first - 8.0) < 0.2  # knows nothing at birth
    assert on_text < 3.5
    assert on_text < on_shuffled - 1.0
