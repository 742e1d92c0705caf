"""The chunked delta rule is the recurrence, in float32 at the fastest decays too; its mixers are their equations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks import delta_attention
from brain.blocks.delta_scan import DeltaStep, delta_scan
from brain.blocks.linear import initialize
from brain.blocks.rwkv7 import FASTEST, NORM_EPSILON, RWKV7
from brain.blocks.span import Span
from tests.naive_recurrences import naive_delta, naive_delta_attention

WIDE = torch.float64
HEADS, KEYS, VALUES = 3, 5, 4


def draw_step(
    length: int, *, fastest: float = FASTEST, all_fastest: bool = False
) -> tuple[DeltaStep, Tensor]:
    generator = torch.Generator().manual_seed(length)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=WIDE, generator=generator)

    keys = (2, length, HEADS, KEYS)
    direction, rate = functional.normalize(draw(*keys), dim=-1), torch.sigmoid(draw(*keys))
    share = torch.ones(keys, dtype=WIDE) if all_fastest else torch.sigmoid(4.0 * draw(*keys))
    step = DeltaStep(
        log_decay=fastest * share, erase=-direction, back=direction * rate,
        key=draw(*keys), value=draw(2, length, HEADS, VALUES), read=draw(*keys),
    )  # fmt: skip
    return step, draw(2, HEADS, KEYS, VALUES)


@pytest.mark.parametrize("length", [1, 2, 7, 31, 32, 33, 65, 131])
@pytest.mark.parametrize("chunk", [1, 5, 16, 32])
def test_chunks_are_the_recurrence(length: int, chunk: int) -> None:
    step, initial = draw_step(length)
    for got, expected in zip(delta_scan(step, initial, chunk=chunk), naive_delta(step, initial), strict=True):
        assert (got - expected).abs().max() <= 1e-10


def test_gradients_of_chunks_are_those_of_the_recurrence() -> None:
    found = []
    for scan in (lambda step, initial: delta_scan(step, initial, chunk=4), naive_delta):
        step, initial = draw_step(11)
        leaves = [part.requires_grad_() for part in (*step, initial)]
        y, last = scan(step, initial)
        found.append(torch.autograd.grad(y.square().sum() + last.sin().sum(), leaves))
    for got, expected in zip(*found, strict=True):
        assert (got - expected).abs().max() <= 1e-10


@pytest.mark.parametrize("all_fastest", [False, True])
@pytest.mark.parametrize(("fastest", "chunk"), [(FASTEST, 32), (-4.0, 16)])
def test_single_precision_holds_the_fastest_decays(fastest: float, chunk: int, all_fastest: bool) -> None:
    step, initial = draw_step(200, fastest=fastest, all_fastest=all_fastest)
    narrow = DeltaStep(*[part.float().requires_grad_() for part in step])
    wide = DeltaStep(*[part.requires_grad_() for part in step])
    got, _ = delta_scan(narrow, initial.float(), chunk=chunk)
    expected, _ = naive_delta(wide, initial)
    assert (got.double() - expected).abs().max() <= 3e-6 * expected.abs().max()
    slopes = torch.autograd.grad(got.square().sum(), narrow)
    for slope, true in zip(slopes, torch.autograd.grad(expected.square().sum(), wide), strict=True):
        assert (slope.double() - true).abs().max() <= 1e-4 * true.abs().max()


@pytest.mark.parametrize("by_channel", [True, False])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 50])
def test_delta_attention_is_its_equations_in_a_loop(length: int, by_channel: bool) -> None:
    step, initial = draw_step(length, fastest=delta_attention.FASTEST)
    parts = {
        "query": step.read, "key": functional.normalize(step.key, dim=-1), "value": step.value,
        "log_decay": step.log_decay if by_channel else step.log_decay[..., :1],
        "strength": torch.sigmoid(step.key[..., :1]), "initial": initial,
    }  # fmt: skip
    found = []
    for attend in (delta_attention.delta_attention, naive_delta_attention):
        leaves = {name: part.clone().requires_grad_() for name, part in parts.items()}
        y, last = attend(**leaves)
        found.append([y, last, *torch.autograd.grad(y.square().sum() + last.sin().sum(), [*leaves.values()])])
    for got, expected in zip(*found, strict=True):
        assert (got - expected).abs().max() <= 1e-10


def test_no_position_feels_a_later_one_even_in_its_last_bit() -> None:
    step, initial = draw_step(40)
    changed = DeltaStep(*[torch.cat([part[:, :9], 1.5 * part[:, 9:]], dim=1) for part in step])
    assert torch.equal(delta_scan(step, initial)[0][:, :9], delta_scan(changed, initial)[0][:, :9])


def rwkv7_in_a_loop(mixer: RWKV7, x: Tensor, first_value: Tensor) -> Tensor:
    """One row x (T, d) read as the paper writes RWKV-7, S = Hᵀ, position by position and head by head."""
    size, heads = mixer.head_size, mixer.num_heads
    before, out = torch.zeros_like(x[0]), []
    states = [torch.zeros(size, size, dtype=x.dtype) for _ in range(heads)]
    for t, now in enumerate(x):
        r_in, w_in, k_in, v_in, a_in, g_in = (now + (before - now) * share for share in mixer.shift)
        before = now
        r, k, v = mixer.read.weight @ r_in, mixer.key.weight @ k_in, mixer.value.weight @ v_in

        def low_rank(part: str, x: Tensor) -> Tensor:
            own = mixer.get_submodule(part)
            narrow = own.down.weight @ x  # type: ignore[union-attr, operator]
            return own.bias + own.up.weight @ (torch.tanh(narrow) if part == "decay" else narrow)  # type: ignore[union-attr, operator]

        w = torch.exp(-math.exp(-0.5) * torch.sigmoid(low_rank("decay", w_in)))
        a = torch.sigmoid(low_rank("rate", a_in))
        v = v + (first_value[t].flatten() - v) * torch.sigmoid(low_rank("mixing", v_in))
        g = mixer.gate_up.weight @ torch.sigmoid(mixer.gate_down.weight @ g_in)
        replaced = k * (1 + (a - 1) * mixer.kept.flatten())
        y = torch.zeros_like(now)
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            kappa = k[own] * mixer.erased[head]
            kappa = kappa / kappa.norm()
            state = states[head]
            state = (
                state * w[own]
                - torch.outer(state @ kappa, kappa * a[own])
                + torch.outer(v[own], replaced[own])
            )
            states[head], read = state, state @ r[own]
            read = (read - read.mean()) / (read.var(unbiased=False) + NORM_EPSILON * size).sqrt()
            read = read * mixer.norm.gain[own] + mixer.norm.bias[own]
            y[own] = read + (r[own] * replaced[own] * mixer.bonus[head]).sum() * v[own]
        out.append(mixer.out.weight @ (y * g))
    return torch.stack(out)


def test_rwkv7_is_its_equations_in_a_loop() -> None:
    mixer = RWKV7(12, head_size=4, values_mixed=True).double()
    initialize(mixer, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in mixer.parameters():
            weight.add_(0.5 * torch.randn(weight.shape, dtype=WIDE, generator=generator))
        x = torch.randn(2, 41, 12, dtype=WIDE, generator=generator)
        first = torch.randn(2, 41, mixer.num_heads, 4, dtype=WIDE, generator=generator)
        span = Span.beginning(2, 41, device=x.device, dtype=WIDE)
        got, _, value = mixer.mix(x, span, None, first_value=first)
        assert value.shape == first.shape
        for row in range(2):
            assert (got[row] - rwkv7_in_a_loop(mixer, x[row], first[row])).abs().max() <= 1e-10
