"""The small parts: norm, convolution, rotary positions, MLP, byte loss, tables, spans."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from brain.blocks.attention import WindowAttention
from brain.blocks.bigram import NO_BYTE, Bigram
from brain.blocks.convolution import CausalConv
from brain.blocks.linear import Linear, initialize
from brain.blocks.loss import cap_logits, symbol_nats
from brain.blocks.mingru import positive
from brain.blocks.mlp import MLP, squared_relu
from brain.blocks.norm import EPSILON, rms_norm
from brain.blocks.rope import PERIOD, Rope
from brain.blocks.row_table import RowTable
from brain.blocks.span import Span
from brain.blocks.ssd import ssd_scan
from tests.naive_recurrences import naive_ssd

WIDE = torch.float64


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


def test_what_older_units_give_together_is_not_lost_among_newborns_that_cancel() -> None:
    linear = Linear(4, 3, num_existing=2)
    linear.weight.data[:] = torch.tensor([0.5, 0.5, 2.0**30, -(2.0**30)])
    assert torch.equal(linear(torch.ones(2, 5, 4)), torch.ones(2, 5, 3))
    assert torch.equal(linear(torch.ones(4, dtype=torch.bfloat16)), torch.ones(3, dtype=torch.bfloat16))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 5)])
def test_a_matrix_that_has_grown_is_still_one_matrix(shape: tuple[int, ...]) -> None:
    linear = Linear(5, 3, num_existing=2).double()
    linear.weight.data[:] = draw(3, 5)
    x = draw(*shape, seed=1).requires_grad_()
    torch.testing.assert_close(linear(x), x @ linear.weight.T)

    def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(linear, {"weight": weight}, (x,))  # type: ignore[no-any-return]

    weight = linear.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(product, (x, weight))
    [only] = torch.autograd.grad(linear(x.detach()).sum(), [linear.weight])
    assert only.shape == (3, 5)


def test_norm_is_the_definition() -> None:
    x = draw(4, 6)
    torch.testing.assert_close(rms_norm(x), functional.rms_norm(x, (6,), eps=EPSILON))
    assert torch.autograd.gradcheck(rms_norm, (x.requires_grad_(),))


def test_norm_of_half_precision_is_taken_in_single() -> None:
    x = draw(4, 64).bfloat16() * 100
    assert rms_norm(x).dtype == torch.bfloat16
    assert rms_norm(x, torch.float32).square().mean() == pytest.approx(1.0, abs=1e-4)


def test_norm_of_zero_is_zero() -> None:
    x = torch.zeros(2, 4, requires_grad=True)
    rms_norm(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_convolution_is_torchs_own() -> None:
    conv = CausalConv(5).double()
    initialize(conv, torch.Generator().manual_seed(0))
    x, tail = draw(2, 9, 5), draw(2, 3, 5, seed=1)
    y, after = conv(x, tail)
    reach = torch.cat([tail, x], dim=1).transpose(1, 2)
    torch.testing.assert_close(
        y, functional.conv1d(reach, conv.weight.T.unsqueeze(1), groups=5).transpose(1, 2)
    )
    assert torch.equal(after, x[:, -3:])
    torch.testing.assert_close(conv(x, None)[0], conv(x, torch.zeros_like(tail))[0])


def test_convolution_of_one_byte_keeps_a_tail_of_three() -> None:
    conv = CausalConv(2).double()
    initialize(conv, torch.Generator().manual_seed(0))
    x, tail = draw(1, 1, 2), draw(1, 3, 2, seed=1)
    assert torch.equal(conv(x, tail)[1], torch.cat([tail[:, 1:], x], dim=1))


def test_positive_is_continuous_and_learns_from_zero() -> None:
    x = torch.linspace(-3, 3, 61, dtype=WIDE)
    expected = torch.where(x >= 0, x + 0.5, torch.sigmoid(x))
    torch.testing.assert_close(positive(x), expected)
    zero = torch.zeros(1, requires_grad=True)
    positive(zero).backward()  # type: ignore[no-untyped-call]
    assert zero.grad is not None
    assert zero.grad.item() == pytest.approx(0.25)


def test_rotation_depends_on_distance_alone_for_ever() -> None:
    rope = Rope(8, longest=64).double()
    q, k = draw(1, 1, 8), draw(1, 1, 8, seed=1)

    def product(position: int, distance: int) -> float:
        at = torch.tensor([[position]])
        return float((rope(q, at) * rope(k, at - distance)).sum())

    for distance in (0, 1, 17, 63):
        near = product(100, distance)
        for far in (PERIOD + 5, 10**12 + 7, 2**60):
            assert product(far, distance) == pytest.approx(near, abs=1e-6)  # as exact as the float32 it keeps


def test_rotation_keeps_length_and_its_gradient_is_exact() -> None:
    rope = Rope(6, longest=16).double()
    x, time = draw(2, 3, 2, 6), torch.tensor([[0, 1, 2], [7, 8, 9]])
    torch.testing.assert_close(rope(x, time).norm(dim=-1), x.norm(dim=-1))
    assert torch.autograd.gradcheck(lambda x: rope(x, time), (x.requires_grad_(),))


def test_rotation_needs_pairs() -> None:
    with pytest.raises(ValueError, match="even head size, not 5"):
        Rope(5, longest=16)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="hidden_size 10 does not divide into num_heads 4"):
        WindowAttention(10, num_heads=4, window=8)


def test_attention_is_torchs_own_under_the_window() -> None:
    attention = WindowAttention(8, num_heads=2, window=5).double()
    initialize(attention, torch.Generator().manual_seed(0))
    attention.out.weight.data = draw(8, 8)
    x = draw(3, 11, 8)
    q, k, v = attention.qkv(x).view(3, 11, 3, 2, 4).unbind(2)
    time = torch.arange(11)[None].expand(3, -1)
    q, k = attention.rope(rms_norm(q), time), attention.rope(rms_norm(k), time)
    distance = torch.arange(11)[:, None] - torch.arange(11)
    mixed = functional.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=(distance >= 0) & (distance < 5)
    )
    expected = attention.out(mixed.transpose(1, 2).reshape(3, 11, 8))
    span = Span.beginning(3, 11, device=x.device, dtype=WIDE)
    torch.testing.assert_close(attention(x, span, None)[0], expected)


def test_squared_relu_and_mlp() -> None:
    x = draw(3, 4)
    torch.testing.assert_close(squared_relu(x), x.relu().square())
    mlp = MLP(4, hidden=7).double()
    initialize(mlp, torch.Generator().manual_seed(0))
    assert not mlp(x).any()
    mlp.out.weight.data = draw(4, 7)
    assert torch.autograd.gradcheck(lambda x, *_: mlp(x), (x.requires_grad_(), *mlp.parameters()))


def test_symbol_nats_are_the_cross_entropy_of_capped_logits() -> None:
    logits, target = 9 * draw(2, 5, 256), torch.randint(0, 256, (2, 5), dtype=torch.uint8)
    nats, confidence, guess = symbol_nats(logits, target, 4.0)
    capped = cap_logits(logits, 4.0)
    assert capped.abs().max() <= 4.0
    expected = functional.cross_entropy(capped.flatten(0, 1), target.flatten().long(), reduction="none")
    torch.testing.assert_close(nats.flatten(), expected)
    best, where = capped.softmax(-1).max(-1)
    torch.testing.assert_close(confidence, best)
    assert torch.equal(guess, where)


def test_symbol_nats_have_an_exact_gradient() -> None:
    logits, target = draw(2, 3, 256).requires_grad_(), torch.tensor([[0, 1, 255], [7, 7, 9]])
    assert torch.autograd.gradcheck(lambda x: symbol_nats(x, target, 3.0)[0], (logits,), fast_mode=True)


def test_a_table_gathers_gradient_for_the_rows_it_read() -> None:
    table = RowTable(50, 3)
    table.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    index = torch.tensor([[4, -1, 4], [9, 0, -1]])
    read = table(index)
    torch.testing.assert_close(read[0, 0], table.weight[4])
    assert not read[0, 1].any()
    read.sum().backward()
    touched = table.take_touched()
    assert touched is not None
    assert touched.ids.tolist() == [-1, 0, 4, 9]
    assert touched.leaf.grad is not None
    assert touched.leaf.grad[:, 0].tolist() == [0.0, 1.0, 2.0, 1.0]
    assert table.take_touched() is None
    with torch.no_grad():
        torch.testing.assert_close(table(index), read)
    assert table.take_touched() is None


def test_bigrams_are_exact_and_silent_where_a_byte_is_missing() -> None:
    bigram = Bigram(4, 6)
    initialize(bigram, torch.Generator().manual_seed(0))
    bigram.table.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    before, last = torch.tensor([[NO_BYTE, 1, 2]]), torch.tensor([[1, 2, 3]])
    y = bigram(before, last, torch.tensor([[True, True, False]]), torch.float32)
    assert not y[0, 0].any()
    assert not y[0, 2].any()
    torch.testing.assert_close(y[0, 1], bigram.out(bigram.table.weight[1 * 256 + 2]))


@pytest.mark.parametrize("chunk", [1, 3, 8, 64])
def test_chunked_state_space_scan_is_the_recurrence(chunk: int) -> None:
    log_decay, x = -draw(2, 13, 3).abs(), draw(2, 13, 3, 4, seed=1)
    into, outof, initial = draw(2, 13, 5, seed=2), draw(2, 13, 5, seed=3), draw(2, 3, 4, 5, seed=4)
    got = ssd_scan(log_decay, x, into, outof, initial, chunk=chunk)
    torch.testing.assert_close(got, naive_ssd(log_decay, x, into, outof, initial))


def test_state_space_scan_survives_a_decay_that_would_overflow() -> None:
    y, hidden = ssd_scan(
        torch.full((1, 64, 1), -200.0), torch.ones(1, 64, 1, 2), torch.ones(1, 64, 3), torch.ones(1, 64, 3),
        torch.ones(1, 1, 2, 3),
    )  # fmt: skip
    assert bool(y.isfinite().all())
    assert bool(hidden.isfinite().all())


def test_bias_shows_the_window_and_nothing_else() -> None:
    span = Span(position=torch.tensor([3, 0, 10]), length=2)
    seen = span.window_bias(4)[:, 0] == 0
    # Row 0 has read 0, 1, 2 in slots 0, 1, 2; its bytes at 3 and 4 look back three each.
    assert seen[0].tolist() == [
        [True, True, True, False, True, False],
        [False, True, True, False, True, True],
    ]
    # Row 1 is fresh: its ring is hidden. Row 2 has 6, 7, 8, 9 in slots 2, 3, 0, 1.
    assert not seen[1, :, :4].any()
    assert seen[2].tolist() == [
        [True, True, False, True, True, False],
        [True, True, False, False, True, True],
    ]


def test_linear_computes_in_the_precision_of_its_input() -> None:
    linear = Linear(4, 3)
    initialize(linear, torch.Generator().manual_seed(0))
    assert linear(torch.ones(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert linear.weight.dtype == torch.float32


def test_first_weights_come_from_the_generator_alone() -> None:
    one, other = Linear(4, 3), Linear(4, 3)
    initialize(one, torch.Generator().manual_seed(5))
    torch.rand(9)
    before = torch.get_rng_state()
    initialize(other, torch.Generator().manual_seed(5))
    assert torch.equal(one.weight, other.weight)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("outputs", [1, 16])
def test_a_row_has_the_same_bits_wherever_it_stands(outputs: int) -> None:
    linear = Linear(16, outputs)
    linear.initialize(torch.Generator().manual_seed(0))
    for seed in range(50):
        x = torch.randn(6, 1, 16, generator=torch.Generator().manual_seed(seed))
        order = torch.tensor([4, 0, 0, 3, 5, 4])
        assert torch.equal(linear(x[order]), linear(x)[order])
