from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from brain.blocks.row_table import RowTable
from brain.optim.config import OptimizerConfig
from brain.optim.online_optimizer import OnlineOptimizer
from brain.optim.parameter_groups import groups_by_shape
from brain.optim.row_adam import RowAdam


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = RowTable(20, 3)
        self.matrix = nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
        self.vector = nn.Parameter(torch.ones(4))

    def forward(self, index: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = (self.table(index) @ self.matrix.T + self.matrix.sum() * 0.1) * self.vector
        return y


def step(net: Net, optimizer: OnlineOptimizer, index: list[int], number: int = 0) -> float:
    (net(torch.tensor(index)) - 1.0).square().sum().backward()
    optimizer.gather()
    return optimizer.step(number, 1.0)


def make(**settings: object) -> tuple[Net, OnlineOptimizer]:
    net = Net()
    config = OptimizerConfig(**{"warmup_steps": 1} | settings)  # type: ignore[arg-type]
    return net, OnlineOptimizer(net, config, groups_by_shape(net))


def test_every_moment_has_a_name_before_the_first_step() -> None:
    net, optimizer = make(kind="muon")
    before = {name: t.data_ptr() for name, t in optimizer.tensors().items()}
    assert set(before) == {
        "table.weight|exp_avg", "table.weight|exp_avg_sq", "table.weight|step",
        "matrix|momentum_buffer", "vector|exp_avg", "vector|exp_avg_sq", "vector|step",
    }  # fmt: skip
    step(net, optimizer, [1, 2])
    assert {name: t.data_ptr() for name, t in optimizer.tensors().items()} == before


def test_of_what_is_frozen_from_the_start_no_moments_are_kept_and_nothing_moves() -> None:
    net = Net()
    net.table.weight.requires_grad_(False)
    net.matrix.requires_grad_(False)
    optimizer = OnlineOptimizer(net, OptimizerConfig(weight_decay=0.5, warmup_steps=0), groups_by_shape(net))
    assert {name.partition("|")[0] for name in optimizer.tensors()} == {"vector"}
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    step(net, optimizer, [1, 2])
    moved = {name for name, weight in net.named_parameters() if not torch.equal(before[name], weight)}
    assert moved == {"vector"}


def test_adamw_takes_everything_when_it_is_chosen() -> None:
    assert "matrix|exp_avg" in make(kind="adamw")[1].tensors()


def test_dense_weights_follow_torchs_adamw() -> None:
    net, optimizer = make(clip_norm=1e9, warmup_steps=0)
    twin, config = Net(), optimizer.config
    reference = torch.optim.AdamW(
        [twin.matrix, twin.vector],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        weight_decay=0.0,
    )
    for number in range(4):
        step(net, optimizer, [-1], number)
        reference.zero_grad()
        (twin(torch.tensor([-1])) - 1.0).square().sum().backward()
        reference.step()
    torch.testing.assert_close(net.matrix, twin.matrix)
    torch.testing.assert_close(net.vector, twin.vector)


def test_each_row_is_adam_over_the_steps_that_read_it() -> None:
    config = OptimizerConfig()
    table = RowTable(6, 2)
    rows = RowAdam(table.weight.data, config)
    gradients = torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
    alone = nn.Parameter(torch.zeros(2))
    reference = torch.optim.Adam([alone], lr=0.01, betas=config.betas, eps=config.eps)
    for number, gradient in enumerate(gradients):
        # Row 4 is read at every second call only; row 1 keeps it company.
        read = torch.tensor([-1, 1, 4] if number % 2 == 0 else [1])
        (table(read) * torch.stack([gradient] * len(read))).sum().backward()
        touched = table.take_touched()
        assert touched is not None
        rows.step(touched, 0.01)
        if number % 2 == 0:
            alone.grad = gradient.clone()
            reference.step()
    torch.testing.assert_close(table.weight[4].detach(), alone.detach())
    assert rows.state["step"].tolist() == [0, 5, 0, 0, 3, 0]
    assert not table.weight[[0, 2, 3, 5]].any()


def test_total_norm_counts_the_rows_and_clipping_bounds_it() -> None:
    net, optimizer = make(clip_norm=0.5)
    net.table.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    (net(torch.tensor([1, 2, 2])) * 50).square().sum().backward()
    norm = optimizer.gather()
    touched = optimizer._touched["table.weight"]
    parts = [net.matrix.grad, net.vector.grad, touched.leaf.grad]
    total = math.sqrt(sum(float(g.square().sum()) for g in parts if g is not None))
    assert norm.item() == pytest.approx(total, rel=1e-5)
    before = optimizer.tensors()["matrix|exp_avg"].clone()
    assert not before.any()
    optimizer.step(0, 1.0)
    squares = [
        (optimizer.tensors()[f"{name}|exp_avg"] / (1 - optimizer.config.betas[0])).square().sum()
        for name in ("matrix", "vector", "table.weight")
    ]
    assert float(sum(squares)) ** 0.5 == pytest.approx(0.5, rel=1e-4)


def test_warm_up_then_constant_for_ever() -> None:
    optimizer = make(warmup_steps=4, learning_rate=1.0)[1]
    assert [optimizer.rate(n, 1.0) for n in (0, 1, 3, 4, 10**9)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    assert optimizer.rate(5, 0.25) == 0.25


def test_muon_moves_its_matrix_by_an_orthogonal_step() -> None:
    net, optimizer = make(kind="muon", warmup_steps=0, muon_learning_rate=0.1)
    before = net.matrix.detach().clone()
    step(net, optimizer, [1, 2, 3])
    singular = torch.linalg.svdvals(before - net.matrix.detach())
    assert singular.max() < 0.1 * math.sqrt(4 / 3) * 1.3


def test_muon_moves_its_matrix_as_torchs_muon_does() -> None:
    net, optimizer = make(kind="muon", clip_norm=1e9, warmup_steps=0, weight_decay=0.1)
    matrix, config = nn.Parameter(net.matrix.detach().clone()), optimizer.config
    reference = torch.optim.Muon(
        [matrix], lr=config.muon_learning_rate, momentum=config.muon_momentum, weight_decay=0.1
    )
    for number in range(3):
        (net(torch.tensor([1, 2])) - 1.0).square().sum().backward()
        optimizer.gather()
        assert net.matrix.grad is not None
        matrix.grad = net.matrix.grad.clone()
        optimizer.step(number, 1.0)
        reference.step()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(net.matrix, matrix, rtol=0.0, atol=0.0)


def test_clearing_drops_every_gradient() -> None:
    net, optimizer = make()
    net(torch.tensor([1])).sum().backward()
    optimizer.gather()
    optimizer.clear()
    assert net.matrix.grad is None
    before = net.table.weight.clone()
    optimizer.step(0, 1.0)
    assert torch.equal(before, net.table.weight)


def test_frozen_weights_stay() -> None:
    net, optimizer = make(weight_decay=0.1)
    for weight in (net.matrix, net.table.weight):
        weight.requires_grad_(False)
    before = (net.matrix.clone(), net.table.weight.clone(), net.vector.clone())
    step(net, optimizer, [1, 2])
    assert torch.equal(before[0], net.matrix)
    assert torch.equal(before[1], net.table.weight)
    assert not torch.equal(before[2], net.vector)
