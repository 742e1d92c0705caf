"""Experts beside an MLP: silent at first, active where their gate is open, and learning from the first step."""

from __future__ import annotations

import torch

from brain.blocks.experts import Expert, Experts
from brain.blocks.linear import initialize
from brain.blocks.mlp import MLP, squared_relu

SIZE = 6


def expert(seed: int = 0, *, speaking: bool = False) -> Expert:
    generator = torch.Generator().manual_seed(seed)
    one = Expert(SIZE, hidden=5)
    initialize(one, generator)
    if speaking:
        torch.nn.init.normal_(one.out.weight, generator=generator)
    return one


def inputs(seed: int = 9) -> torch.Tensor:
    return torch.randn(3, 7, SIZE, generator=torch.Generator().manual_seed(seed))


def test_the_output_of_an_expert_is_that_of_an_mlp_times_its_gate() -> None:
    one, x = expert(speaking=True), inputs()
    gate = 1.0 / (1.0 + (-(x @ one.gate.weight.T)).exp())
    torch.testing.assert_close(one(x), gate * (squared_relu(x @ one.into.weight.T) @ one.out.weight.T))
    assert one.openness(x).shape == (3, 7, 1)
    least, most = (float(gate.detach()) for gate in one.openness(x).aminmax())
    assert 0.0 < least < most < 1.0


def test_new_experts_change_no_bit_of_the_output() -> None:
    mlp = MLP(SIZE, hidden=4)
    for weight in mlp.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    for dtype in (torch.float32, torch.bfloat16):
        x = inputs().to(dtype)
        activity = mlp(x)
        assert torch.equal(Experts([expert(0), expert(1)])(x, activity), activity)
        assert Experts()(x, activity) is activity


def test_experts_are_added_up_and_asked_one_by_one() -> None:
    one, other, x = expert(0, speaking=True), expert(1, speaking=True), inputs()
    activity = torch.ones(3, 7, SIZE)
    torch.testing.assert_close(Experts([one, other])(x, activity), activity + one(x) + other(x))


def test_a_gate_follows_from_its_own_position_alone() -> None:
    one, x = expert(speaking=True), inputs()
    other = x.clone()
    other[:, 4:] = 0.0
    assert torch.equal(one(x)[:, :4], one(other)[:, :4])
    assert not torch.equal(one(x)[:, 4:], one(other)[:, 4:])


def test_first_the_out_projection_has_a_gradient_then_the_gate() -> None:
    one, x, target = expert(), inputs(), inputs(4)
    optimizer = torch.optim.SGD(one.parameters(), lr=0.05)
    errors, gates = [], []
    for _ in range(20):
        error = (one(x) - target).square().mean()
        optimizer.zero_grad()
        error.backward()
        assert one.gate.weight.grad is not None
        assert one.out.weight.grad is not None
        assert bool(one.out.weight.grad.any())
        gates.append(bool(one.gate.weight.grad.any()))
        errors.append(float(error.detach()))
        optimizer.step()
    assert gates == [False] + [True] * 19
    assert errors[-1] < 0.98 * errors[0]
