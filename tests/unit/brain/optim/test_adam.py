"""One Adam for weights that count their own steps: torch's AdamW, and to the bit what its callers did before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from brain.blocks.row_table import RowTable
from brain.models.classifier.config import MLPConfig
from brain.models.classifier.online_mlp import OnlineMLP
from brain.optim.adam import adamw_update
from brain.optim.config import OptimizerConfig
from brain.optim.row_adam import RowAdam
from brain.optim.unit_steps import UnitAdamW
from brain.plasticity.config import PlasticityConfig

BETAS, EPS = (0.8, 0.95), 1e-8


def gradients(count: int = 30) -> Tensor:
    return torch.randn(count, 6, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_the_adamw_of_torch(decay: float) -> None:
    weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    twin = nn.Parameter(weight.clone())
    reference = torch.optim.AdamW([twin], lr=0.01, betas=BETAS, eps=EPS, weight_decay=decay)
    moments = torch.zeros(6, 4), torch.zeros(6, 4)
    for number, gradient in enumerate(gradients(), start=1):
        twin.grad = gradient.clone()
        reference.step()
        corrections = tuple(torch.full((6, 1), 1.0 - beta**number) for beta in BETAS)
        adamw_update(
            weight, gradient, *moments, rate=torch.tensor(0.01), corrections=(corrections[0], corrections[1]),
            betas=BETAS, eps=EPS, weight_decay=decay,
        )  # fmt: skip
    torch.testing.assert_close(weight, twin.detach(), rtol=1e-6, atol=1e-6)
    state = reference.state[twin]
    torch.testing.assert_close(moments, (state["exp_avg"], state["exp_avg_sq"]), rtol=1e-6, atol=1e-7)


def test_units_take_the_steps_of_stored_runs_to_the_bit() -> None:
    config = OptimizerConfig(betas=BETAS, weight_decay=0.1, unit_warmup_steps=7)
    matrix = nn.Parameter(torch.ones(6, 4))
    own, weight = UnitAdamW(matrix, 0, config), torch.ones(6, 4)
    average, square, age = torch.zeros(6, 4), torch.zeros(6, 4), torch.zeros(6, 1)
    for gradient in gradients():
        matrix.grad = gradient.clone()
        own.step(1.0)
        age.add_(1.0)
        rate = (age / 7).clamp_(max=1.0).mul_(config.learning_rate)
        average.lerp_(gradient, 1.0 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
        weight.mul_(1.0 - rate * 0.1)
        size = (square / (1.0 - BETAS[1] ** age)).sqrt_().add_(config.eps)
        weight.sub_(average.div(size).mul_(rate / (1.0 - BETAS[0] ** age)))
    assert torch.equal(matrix.detach(), weight)


def test_rows_take_the_steps_of_stored_runs_to_the_bit() -> None:
    config = OptimizerConfig(betas=BETAS)
    table = RowTable(6, 4)
    own, weight = RowAdam(table.weight.data, config), table.weight.detach().clone()
    average, square = torch.zeros(6, 4), torch.zeros(6, 4)
    for step, gradient in enumerate(gradients(), start=1):
        (table(torch.arange(6)) * gradient).sum().backward()
        touched = table.take_touched()
        assert touched is not None
        own.step(touched, 0.01)
        steps = torch.full((6,), float(step))
        average.lerp_(gradient, 1.0 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
        size = (0.01 / (1.0 - BETAS[0] ** steps)).unsqueeze(1)
        scale = (square / (1.0 - BETAS[1] ** steps).unsqueeze(1)).sqrt_().add_(config.eps)
        weight -= size * average / scale
    assert torch.equal(table.weight.detach(), weight)


def test_an_mlp_of_a_steady_age_takes_the_steps_of_torch() -> None:
    still = PlasticityConfig(replacement_rate=0.0)
    net = OnlineMLP(MLPConfig(sizes=(4, 6), learning_rate=0.01, betas=BETAS, plasticity=still))
    twin = nn.Parameter(net.flat.clone())
    reference = torch.optim.AdamW([twin], lr=0.01, betas=BETAS, eps=EPS, weight_decay=0.0)
    for gradient in gradients():
        trace = net.forward(gradient[None, :, :])
        net.backward(trace, trace.outputs.clone())
        twin.grad = net.gradient.clone()
        reference.step()
        net.update(trace)
    torch.testing.assert_close(net.flat, twin.detach(), rtol=1e-5, atol=1e-6)
