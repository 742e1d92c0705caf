"""What one part of a brain learns is neither lost nor bent by another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brain.blocks.row_table import RowTable
from brain.optim.config import OptimizerConfig
from tests.faults.tiny_brain import text, tiny_brain, weights


@pytest.mark.fault(
    "Lost or distorted gradients",
    tried="a table of rows is read again, with and without gradients, before the first reading is learned from",
    happens="it learns from every reading, as a dense embedding does",
)
def test_a_second_reading_does_not_take_the_place_of_the_first() -> None:
    table, dense = RowTable(9, 2), nn.Embedding(9, 2)
    with torch.no_grad():
        table.weight.copy_(dense.weight)
    for read in (table, dense):
        first, second = read(torch.tensor([1, 2, 2])), read(torch.tensor([2, 7]))
        with torch.no_grad():
            read(torch.tensor([8]))
        (first.square().sum() + second.sum()).backward()
    touched = table.take_touched()
    assert touched is not None
    assert touched.leaf.grad is not None
    assert dense.weight.grad is not None
    torch.testing.assert_close(touched.leaf.grad, dense.weight.grad[touched.ids])
    assert touched.ids.tolist() == [1, 2, 7]


@pytest.mark.fault(
    "Lost or distorted gradients",
    tried="the self model's loss is a thousand times larger while gradients are clipped",
    happens="all other weights move exactly as they would without it",
)
def test_the_self_model_has_no_say_in_how_far_others_move() -> None:
    clipped = OptimizerConfig(clip_norm=1e-3)
    brains = [tiny_brain(optimizer=clipped, self_model_weight=weight) for weight in (0.0, 1000.0)]
    for brain in brains:
        for seed in range(3):
            brain.learn(text(seed))
    without, with_it = map(weights, brains)
    differing = {name for name in without if not torch.equal(without[name], with_it[name])}
    assert differing == {"self_model.into.weight", "self_model.out.weight"}
