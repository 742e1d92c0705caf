"""Ternary matrices: what they are, that they stay what they are, and that a birth does not move them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from brain.blocks import held_ternary
from brain.blocks.held_ternary import HeldTernary
from brain.blocks.linear import Linear
from brain.blocks.loops import matrix_loops
from brain.blocks.ternary import int8_levels, ternary


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def linear(weight: torch.Tensor, num_existing: int | None = None) -> Linear:
    made = Linear(weight.shape[1], weight.shape[0], num_existing=num_existing)
    made.weight.data.copy_(weight)
    made.is_ternary = True
    return made


def test_signs_are_those_of_bitnet_by_row() -> None:
    weight = draw(6, 40)
    mean = weight.abs().mean(dim=1, keepdim=True)
    assert torch.equal(ternary(weight).signs, (weight / mean).round().clamp(-1, 1))


@pytest.mark.parametrize("existing", [40, 33, 1])
def test_a_matrix_made_ternary_twice_is_the_same(existing: int) -> None:
    once = ternary(draw(6, 40), existing)
    again = ternary(once.weight(), existing)
    assert torch.equal(once.weight(), again.weight())
    assert torch.equal(once.signs, again.signs)


def test_a_matrix_of_zeros_stays_zero() -> None:
    assert not linear(torch.zeros(3, 5))(draw(2, 5)).any()
    assert not linear(draw(3, 5))(torch.zeros(2, 5)).any()


@pytest.mark.parametrize("existing", [None, 12])
def test_the_product_is_that_of_the_quantised_parts(existing: int | None) -> None:
    weight, x = draw(7, 16), draw(2, 3, 16, seed=1)
    levels, scale = int8_levels(x[..., :existing])
    read = torch.cat([levels * scale, x[..., (existing or 16) :]], dim=-1)
    expected = read @ ternary(weight, existing).weight().T
    torch.testing.assert_close(linear(weight, existing)(x), expected)


def test_the_gradient_passes_straight_through() -> None:
    made, x = linear(draw(7, 16), 12), draw(5, 16, seed=1).requires_grad_()
    upstream = draw(5, 7, seed=2)
    made(x).backward(upstream)
    levels, scale = int8_levels(x.detach()[:, :12])
    read = torch.cat([levels * scale, x.detach()[:, 12:]], dim=1)
    torch.testing.assert_close(x.grad, upstream @ made.as_ternary().weight())
    torch.testing.assert_close(made.weight.grad, upstream.T @ read)


def test_units_born_later_change_no_bit_of_what_is_there() -> None:
    weight, x = draw(7, 12), draw(5, 12, seed=1)
    rows = linear(torch.cat([weight, 50 * draw(3, 12, seed=3)]))
    assert torch.equal(rows(x)[:, :7], linear(weight)(x))
    columns = linear(torch.cat([weight, torch.zeros(7, 4)], dim=1), num_existing=12)
    assert torch.equal(columns(torch.cat([x, 50 * draw(5, 4, seed=4)], dim=1)), linear(weight)(x))
    born = torch.cat([weight, draw(7, 2, seed=5)], dim=1)
    wider = torch.cat([born, torch.zeros(7, 2)], dim=1)
    read = torch.cat([x, draw(5, 2, seed=6)], dim=1)
    later = torch.cat([read, draw(5, 2, seed=7)], dim=1)
    torch.testing.assert_close(linear(wider, 12)(later), linear(born, 12)(read), rtol=0, atol=1e-6)


def test_one_token_gives_what_it_gives_among_many() -> None:
    made, x = linear(draw(64, 128)), draw(40, 128, seed=1)
    assert torch.equal(torch.stack([made(token) for token in x]), made(x))


def test_half_precision_follows_single() -> None:
    made, x = linear(draw(7, 16)), draw(5, 16, seed=1).bfloat16()
    torch.testing.assert_close(made(x).float(), made(x.float()), rtol=2e-2, atol=2e-2)


@torch.no_grad()
@pytest.mark.parametrize("existing", [16, 12])
def test_what_is_held_is_not_made_again(existing: int) -> None:
    made, x = linear(draw(7, 16), existing), draw(5, 16, seed=1)
    before = made(x)
    made.held = HeldTernary(made.as_ternary(), torch.float32)
    made.weight.zero_()
    assert torch.equal(made(x), before)


@torch.no_grad()
@pytest.mark.parametrize("loop", [None, matrix_loops.ternary_row])
@pytest.mark.parametrize("existing", [65, 50])
def test_one_vector_by_a_loop_is_one_among_many(
    existing: int, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loop is not None:  # not compiled
        monkeypatch.setattr(held_ternary, "ternary_row", lambda: loop)
    made, x = linear(draw(37, 65), existing), draw(4, 65, seed=1)
    x[2, 7], x[3] = torch.nan, 0.0
    made.held = HeldTernary(made.as_ternary(), torch.float32)
    whole, each = made(x), torch.cat([made(row[None]) for row in x])
    assert each[2].isnan().all()
    assert not each[3].any()
    torch.testing.assert_close(each[:2], whole[:2], rtol=0, atol=0 if existing == 65 else 2e-6)
    half = x[:2].bfloat16()
    torch.testing.assert_close(made(half[0]), made(half)[0], rtol=2e-2, atol=2e-2)


def test_what_learns_is_made_again_although_it_is_held() -> None:
    made, x = linear(draw(7, 16)), draw(5, 16, seed=1)
    made.held = HeldTernary(made.as_ternary(), torch.float32)
    made.weight.data.zero_()
    assert not made(x).any()
