"""Which parameters learn alike, and which are drawn back to where they began."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brain.blocks.row_table import RowTable
from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from brain.optim.parameter_groups import groups_by_shape, owned_parameters
from tests.contract.cases import TINY

# A convolution's taps, and values of their own for every channel: none of them is a matrix.
NO_MATRICES = ("conv.weight", "table.weight", ".shift", ".erased", ".kept", ".bonus")


class Foreign(nn.Module):
    """Matrices in every form but this project's own."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((4, 3), 0.5))
        self.vector = nn.Parameter(torch.ones(4))
        self.cell = nn.GRUCell(3, 4)
        self.names = nn.Embedding(5, 3)
        self.table = RowTable(6, 3)
        self.tied = self.cell


def test_every_matrix_of_a_foreign_network_is_drawn_back() -> None:
    groups = groups_by_shape(Foreign())
    spreads = {name: spread for group in groups for name, spread in group.spreads.items()}
    assert spreads.keys() == {"raw", "cell.weight_ih", "cell.weight_hh", "names.weight"}
    assert spreads["raw"] == 0.0
    assert spreads["names.weight"] > 0.5


def test_each_parameter_is_owned_once_in_the_order_of_torch() -> None:
    network = Foreign()
    owned = list(owned_parameters(network))
    assert [one.name for one in owned] == [name for name, _ in network.named_parameters()]
    assert next(one.module for one in owned if one.name == "table.weight") is network.table


@pytest.mark.parametrize(
    ("kind", "number"),
    [(kind, n) for kind in ("synapse", "mingru", "tars", "agiformer") for n in range(len(TINY[kind]))],
)
def test_of_whatever_mixer_every_matrix_is_drawn_back(kind: str, number: int) -> None:
    brain = build_brain(
        kind, TINY[kind][number], optimizer=OptimizerConfig(), lanes=2, device=torch.device("cpu"), seed=0
    )
    model, learning = brain.state().model, brain.state().learning
    matrices = {name for name, w in model.items() if w.dim() > 1 and not name.endswith(NO_MATRICES)}
    assert {name.removeprefix("start|") for name in learning if name.startswith("start|")} == matrices
