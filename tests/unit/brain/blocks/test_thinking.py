"""Thinking refines a state in place; its exits learn what steps bring and move nothing else."""

from __future__ import annotations

import itertools

import pytest
import torch

from brain.blocks.linear import initialize
from brain.blocks.norm import rms_norm
from brain.blocks.thinking import Thinking, ThinkingStep, exit_loss

SIZE = 6


def thinking(*, steps: int = 1, tied: bool = True, halting: bool = False) -> Thinking:
    made = Thinking(
        (ThinkingStep(SIZE, hidden=8) for _ in range(steps)), size=SIZE, tied=tied, halting=halting
    )
    initialize(made, torch.Generator().manual_seed(0))
    return made.double()


def drawn(made: Thinking) -> Thinking:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(0.0, 0.4, generator=generator)
    return made


def states(rows: int = 5) -> torch.Tensor:
    return torch.randn(rows, 3, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_at_birth_it_changes_nothing() -> None:
    z = states()
    assert all(torch.equal(z, after) for after in thinking()(z, 3, torch.float64))


def test_a_step_is_its_equation_and_tied_steps_repeat_it() -> None:
    made, z = drawn(thinking()), states()
    step = made.step(0)
    found = made(z, 4, torch.float64)
    assert len(found) == 5
    for before, after in itertools.pairwise(found):
        normed = rms_norm(before)
        mapped = torch.relu(normed @ step.into.weight.T).square() @ step.out.weight.T
        torch.testing.assert_close(after, before + torch.sigmoid(normed @ step.gate.weight.T) * mapped)


def test_untied_steps_have_weights_of_their_own() -> None:
    made, z = drawn(thinking(steps=2, tied=False)), states()
    assert made.most == 2
    first, second = made(z, 2, torch.float64)[1:]
    torch.testing.assert_close(second, first + made.step(1).thought(first, torch.float64))


def test_gradients_through_all_steps() -> None:
    made, z = drawn(thinking()), states(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: made(x, 3, torch.float64)[-1], z)


def test_a_position_that_has_stopped_stays_and_the_others_go_on() -> None:
    made, z = drawn(thinking(halting=True)), states()
    assert made.exit is not None
    assert made.exit_bias is not None
    made.exit.data.zero_()
    made.exit_bias.data.fill_(-1.0)  # .73, then .53 are left, then .39
    with torch.no_grad():
        assert len(made(z, 9, torch.float64)) == 3
    assert len(made(z, 9, torch.float64)) == 10  # while it learns all are taken
    made.exit.data[0] = 9.0
    with torch.no_grad():
        found = made(z, 3, torch.float64)
        stopped = rms_norm(z)[..., 0] > 0.2
    assert torch.equal(found[-1][stopped], z[stopped])
    assert not torch.equal(found[-1][~stopped], z[~stopped])


def test_exits_are_shares_and_learn_what_a_step_brings() -> None:
    made = drawn(thinking(halting=True))
    found = made(states(), 2, torch.float64)
    shares = made.exits(found)
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(5, 3, dtype=torch.float64))
    assert bool((shares >= 0).all())
    for gain, sign in ((0.0, -1.0), (2.0, 1.0)):  # a step that brings nothing is to be left out
        nats = torch.zeros_like(shares)
        nats[..., 2] = -gain
        loss = exit_loss(made.exits(found).flatten(0, 1), nats.flatten(0, 1), price=0.1, entropy_weight=0.0)
        assert made.exit_bias is not None
        gradients = torch.autograd.grad(loss, [made.exit_bias, *made.step(0).parameters()], allow_unused=True)
        assert gradients[0] is not None
        assert float(gradients[0]) * sign > 0
        assert gradients[1:] == (None,) * len(list(made.step(0).parameters()))


@pytest.mark.parametrize("rows", [0, 3])
def test_the_entropy_of_exits_is_rewarded(rows: int) -> None:
    shares, nats = torch.full((rows, 4), 0.25), torch.zeros(rows, 4)
    loss = exit_loss(shares, nats, price=0.0, entropy_weight=1.0)
    assert float(loss) == pytest.approx(-torch.tensor(4.0).log().item() if rows else 0.0)
