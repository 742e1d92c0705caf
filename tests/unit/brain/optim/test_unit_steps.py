from __future__ import annotations

import pytest
import torch
from torch import nn

from brain.optim.config import OptimizerConfig
from brain.optim.online_optimizer import OnlineOptimizer
from brain.optim.parameter_groups import groups_by_shape
from brain.optim.unit_steps import UnitAdamW, UnitMuon, orthogonalize


def gradients(count: int, rows: int = 5, columns: int = 3) -> torch.Tensor:
    return torch.randn(count, rows, columns, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self, rows: int = 5) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(rows, 3, generator=torch.Generator().manual_seed(0)))
        self.vector = nn.Parameter(torch.ones(3))


def config(kind: str = "adamw", **settings: object) -> OptimizerConfig:
    return OptimizerConfig(kind=kind, unit_warmup_steps=1, warmup_steps=1, clip_norm=1e9, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_units_of_one_age_learn_as_torch_would(kind: str) -> None:
    counted, whole = Net(), Net()
    settings = config(kind, weight_decay=0.1)
    own = OnlineOptimizer(counted, settings, groups_by_shape(counted), unit_axes={"matrix": 0})
    reference = OnlineOptimizer(whole, settings, groups_by_shape(whole))
    if kind == "muon":  # torch never corrects its momentum; an existing unit's correction is 1
        own.tensors()["matrix|step"].fill_(1e6)
    for number, gradient in enumerate(gradients(6)):
        for net, optimizer in ((counted, own), (whole, reference)):
            net.matrix.grad, net.vector.grad = gradient.clone(), torch.ones(3)
            optimizer.gather()
            optimizer.step(number, 1.0)
    torch.testing.assert_close(counted.matrix, whole.matrix, rtol=1e-5, atol=1e-6)
    assert torch.equal(counted.vector, whole.vector)


def test_a_renewed_unit_is_an_adam_from_its_first_step_and_older_units_never_notice() -> None:
    old, untouched = Net(), Net()
    settings = config(betas=(0.9, 0.999))
    renewed = OnlineOptimizer(old, settings, groups_by_shape(old), unit_axes={"matrix": 0})
    straight = OnlineOptimizer(untouched, settings, groups_by_shape(untouched), unit_axes={"matrix": 0})
    series = gradients(8)
    for number, gradient in enumerate(series):
        if number == 4:
            before = old.matrix[2].detach().clone()
            for moment in renewed.unit_moments("matrix"):
                moment[2] = 0.0
        for net, optimizer in ((old, renewed), (untouched, straight)):
            net.matrix.grad = gradient.clone()
            optimizer.gather()
            optimizer.step(number, 1.0)
    alone = nn.Parameter(before)
    reference = torch.optim.Adam([alone], lr=settings.learning_rate, betas=settings.betas, eps=settings.eps)
    for gradient in series[4:]:
        alone.grad = gradient[2].clone()
        reference.step()
    torch.testing.assert_close(old.matrix[2].detach(), alone.detach())
    assert torch.equal(old.matrix[[0, 1, 3, 4]], untouched.matrix[[0, 1, 3, 4]])
    assert renewed.tensors()["matrix|step"].flatten().tolist() == [8, 8, 4, 8, 8]


@pytest.mark.parametrize("optimizer", [UnitAdamW, UnitMuon])
def test_a_newborn_warms_up_alone(optimizer: type[UnitAdamW | UnitMuon]) -> None:
    settings = OptimizerConfig(unit_warmup_steps=10)
    moved = []
    for age in (0.0, 1000.0):
        weight = nn.Parameter(torch.zeros(2, 4))
        weight.grad = torch.eye(2, 4)
        own = optimizer(weight, 0, settings)
        own.state["step"][1] = age
        own.step(1.0)
        moved.append(weight.detach().abs().sum(dim=1))
    assert moved[0][0] == pytest.approx(moved[0][1])
    assert moved[1][1] > 1.5 * moved[1][0]
    assert float(moved[0][0]) < 0.2 * settings.muon_learning_rate


@pytest.mark.parametrize("optimizer", [UnitAdamW, UnitMuon])
def test_units_as_old_as_a_young_run_do_not_warm_up_twice(optimizer: type[UnitAdamW | UnitMuon]) -> None:
    moved = []
    for warmup in (1, 10):  # with none of its own, and with one as long as the run's
        weight = nn.Parameter(torch.zeros(2, 4))
        weight.grad = torch.eye(2, 4)
        own = optimizer(weight, 0, OptimizerConfig(unit_warmup_steps=warmup, warmup_steps=10))
        own.state["step"].fill_(4.0)
        own.step(0.5, 3.0)
        moved.append(weight.detach().clone())
    assert torch.equal(moved[0], moved[1])


def test_without_a_gradient_nothing_changes() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    for own in (UnitAdamW(weight, 1, config()), UnitMuon(weight, 1, config())):
        own.step(1.0)
        assert not own.state["step"].any()
    assert torch.equal(weight, torch.ones(2, 2))


def test_orthogonalized_singular_values_are_about_one() -> None:
    for shape in ((4, 9), (9, 4)):
        values = torch.linalg.svdvals(orthogonalize(gradients(1, *shape)[0]).float())
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
