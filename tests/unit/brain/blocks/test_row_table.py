"""A row table learns as a dense embedding would, whatever is read between a pass and its way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from brain.blocks.attention import WindowAttention
from brain.blocks.convolution import CausalConv
from brain.blocks.linear import initialize
from brain.blocks.loss import symbol_nats
from brain.blocks.norm import rms_norm
from brain.blocks.row_table import RowTable
from brain.blocks.scan import linear_scan
from brain.blocks.span import Span
from brain.optim.config import OptimizerConfig
from brain.optim.online_optimizer import OnlineOptimizer
from brain.optim.parameter_groups import groups_by_shape

ROWS, SIZE = 12, 3
FIRST, SECOND = torch.tensor([1, 4, 4, 7]), torch.tensor([[4, 2], [9, 4]])

Read = Callable[[Tensor], Tensor]


def passes_of_one(read: Read) -> None:
    read(FIRST).square().sum().backward()  # type: ignore[no-untyped-call]


def passes_of_two(read: Read) -> None:
    first, second = read(FIRST), read(SECOND)
    (first.square().sum() + second.pow(3).sum()).backward()  # type: ignore[no-untyped-call]


def passes_backwards_in_the_other_order(read: Read) -> None:
    first, second = read(FIRST).square().sum(), read(SECOND).square().sum()
    second.backward()  # type: ignore[no-untyped-call]
    first.backward()  # type: ignore[no-untyped-call]


def passes_nested(read: Read) -> None:
    outer = read(FIRST)
    with torch.no_grad():
        scale = read(SECOND).mean()
    inner = read(FIRST + 1).square().sum()
    inner.backward()  # type: ignore[no-untyped-call]
    (outer * scale).square().sum().backward()  # type: ignore[no-untyped-call]


def passes_with_one_left_alone(read: Read) -> None:
    learned = read(FIRST).square().sum()
    read(SECOND).square().sum()  # looked at with gradients on, and never gone back through
    with torch.no_grad():
        read(SECOND)
    learned.backward()  # type: ignore[no-untyped-call]


def passes_of_a_kept_graph(read: Read) -> None:
    loss = read(FIRST).square().sum()
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    loss.backward()  # type: ignore[no-untyped-call]


PASSES = (
    passes_of_one,
    passes_of_two,
    passes_backwards_in_the_other_order,
    passes_nested,
    passes_with_one_left_alone,
    passes_of_a_kept_graph,
)


def tables() -> tuple[RowTable, nn.Embedding]:
    table, dense = RowTable(ROWS, SIZE), nn.Embedding(ROWS, SIZE)
    with torch.no_grad():
        dense.weight.normal_(generator=torch.Generator().manual_seed(1))
        table.weight.copy_(dense.weight)
    return table, dense


def gathered(table: RowTable) -> Tensor:
    gradient = torch.zeros(ROWS, SIZE)
    touched = table.take_touched()
    if touched is not None:
        assert touched.leaf.grad is not None
        assert touched.ids.tolist() == sorted(set(touched.ids.tolist()))
        gradient[touched.ids] = touched.leaf.grad
    return gradient


@pytest.mark.parametrize("passes", PASSES, ids=lambda passes: passes.__name__)
def test_its_gradient_is_that_of_a_dense_embedding(passes: Callable[[Read], None]) -> None:
    table, dense = tables()
    passes(table)
    passes(dense)
    torch.testing.assert_close(gathered(table), dense.weight.grad)
    assert table.take_touched() is None


@pytest.mark.parametrize("passes", PASSES, ids=lambda passes: passes.__name__)
def test_an_optimizer_step_is_that_of_a_dense_adam(passes: Callable[[Read], None]) -> None:
    table, dense = tables()
    net = nn.ModuleDict({"table": table})
    config = OptimizerConfig(warmup_steps=0, clip_norm=1e9)
    own = OnlineOptimizer(net, config, groups_by_shape(net))
    reference = torch.optim.Adam(dense.parameters(), config.learning_rate, config.betas, config.eps)
    passes(table)
    own.gather()
    own.step(0, 1.0)
    passes(dense)
    reference.step()
    torch.testing.assert_close(table.weight, dense.weight)


def test_a_step_between_a_pass_and_its_way_back_is_not_undone() -> None:
    table, _ = tables()
    config = OptimizerConfig(warmup_steps=0)
    net = nn.ModuleDict({"table": table})
    optimizer = OnlineOptimizer(net, config, groups_by_shape(net))
    before = table.weight.detach().clone()
    early, late = table(FIRST).sum(), table(FIRST).sum()
    for loss in (late, early):
        loss.backward()
        optimizer.gather()
        optimizer.step(0, 1.0)
    # The gradient is the same both times, so each step of Adam goes by the whole rate.
    moved = (before - table.weight.detach())[[1, 4, 7]]
    torch.testing.assert_close(moved, torch.full_like(moved, 2 * config.learning_rate))


def test_what_a_pass_left_is_dropped_with_all_other_gradients() -> None:
    table, _ = tables()
    net = nn.ModuleDict({"table": table})
    optimizer = OnlineOptimizer(net, OptimizerConfig(), groups_by_shape(net))
    table(FIRST).sum().backward()
    optimizer.clear()
    assert float(optimizer.gather()) == 0.0


def test_a_second_derivative_is_refused_in_plain_words() -> None:
    table, _ = tables()
    with pytest.raises(RuntimeError, match="a RowTable has no second derivative"):
        table(FIRST).square().sum().backward(create_graph=True)
    assert table.take_touched() is None


def attention(x: Tensor) -> Tensor:
    block = WindowAttention(4, num_heads=1, window=3)
    initialize(block, torch.Generator().manual_seed(0))
    with torch.no_grad():
        block.out.weight.normal_(generator=torch.Generator().manual_seed(1))
    span = Span.beginning(1, x.shape[1], device=x.device, dtype=x.dtype)
    mixed: Tensor = block(x, span, None)[0]
    return mixed


def convolution(x: Tensor) -> Tensor:
    conv = CausalConv(4)
    initialize(conv, torch.Generator().manual_seed(0))
    y: Tensor = conv(x, None)[0]
    return y


@pytest.mark.parametrize(
    "block",
    [
        rms_norm,
        attention,
        convolution,
        lambda x: linear_scan(x.sigmoid(), x, x[:, 0]),
        lambda x: symbol_nats(x.repeat(1, 1, 64), torch.zeros(1, 5, dtype=torch.uint8), 30.0)[0],
    ],
    ids=["norm", "attention", "convolution", "scan", "loss"],
)
def test_a_block_with_a_backward_of_its_own_refuses_a_second_derivative(block: Read) -> None:
    x = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(block(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()  # type: ignore[no-untyped-call]
