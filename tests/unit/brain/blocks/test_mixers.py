"""Every mixer: parallel, step by step and split prefill agree; causal; constant state; exact gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from brain.blocks.attention import WindowAttention
from brain.blocks.delta_attention import GatedDeltaAttention, KimiDeltaAttention
from brain.blocks.fusion import FusedRecurrence
from brain.blocks.linear import initialize
from brain.blocks.mingru import MinGRU
from brain.blocks.mixer import MixerOptions, mixers
from brain.blocks.rwkv7 import RWKV7
from brain.blocks.span import Span
from brain.blocks.ssd import SSD
from tests.contract.probes.causality import sequence_leak
from tests.exact_gradients import assert_exact_gradients

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.blocks.mixer import Mixer, State

SIZE, ROWS = 8, 3
WIDE = torch.float64
MIXERS: dict[str, Callable[[], Mixer]] = {
    "mingru": lambda: MinGRU(SIZE, hidden=11),
    "attention": lambda: WindowAttention(SIZE, num_heads=2, window=12),
    "gated_delta": lambda: GatedDeltaAttention(SIZE, head_size=4),
    "kda": lambda: KimiDeltaAttention(SIZE, head_size=4),
    "fusion": lambda: FusedRecurrence(SIZE, head_size=4, state_size=3),
    "rwkv7": lambda: RWKV7(SIZE, head_size=4),
    "ssd": lambda: SSD(SIZE, head_size=4, state_size=5),
}


def test_every_registered_mixer_is_here_and_is_built_by_its_name() -> None:
    assert sorted(MIXERS) == mixers.names()
    for name, make in MIXERS.items():
        of = mixers.get(name).load().of(SIZE, MixerOptions(num_heads=2, window=12))
        assert type(of) is type(make())


@pytest.fixture(params=sorted(MIXERS))
def mixer(request: pytest.FixtureRequest) -> Mixer:
    made = MIXERS[request.param]().double()
    initialize(made, torch.Generator().manual_seed(0))
    draw = torch.Generator().manual_seed(1)
    for weight in made.parameters():
        if not weight.any():  # what begins at zero would hide what stands before it
            weight.data.normal_(0.0, 0.5, generator=draw)
    return made


def new_state(mixer: Mixer) -> State:
    return mixer.new_state(ROWS, device=torch.device("cpu"), dtype=WIDE)


def read(mixer: Mixer, x: Tensor, state: State, position: Tensor) -> Tensor:
    """Read x as one span from `position`, and commit."""
    span = Span(position=position, length=x.shape[1], dtype=WIDE)
    y, update = mixer(x, span, state)
    mixer.commit(state, torch.arange(ROWS), update, position + x.shape[1])
    out: Tensor = y
    return out


def read_in(mixer: Mixer, x: Tensor, lengths: list[int]) -> Tensor:
    state, position, parts = new_state(mixer), torch.zeros(ROWS, dtype=torch.int64), []
    with torch.no_grad():
        for part in torch.split(x, lengths, dim=1):
            parts.append(read(mixer, part, state, position))
            position = position + part.shape[1]
    return torch.cat(parts, dim=1)


def whole(mixer: Mixer, x: Tensor) -> Tensor:
    span = Span.beginning(len(x), x.shape[1], device=x.device, dtype=WIDE)
    y: Tensor = mixer(x, span, None)[0]
    return y


def inputs(length: int, seed: int = 2) -> Tensor:
    return torch.randn(ROWS, length, SIZE, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("lengths", [[1] * 37, [37], [5, 1, 13, 18], [30, 7], [2, 35], [12, 12, 13]], ids=str)
def test_every_way_to_read_gives_the_same(mixer: Mixer, lengths: list[int]) -> None:
    x = inputs(37)
    torch.testing.assert_close(read_in(mixer, x, lengths), whole(mixer, x), rtol=1e-9, atol=1e-11)


def test_chunks_of_the_scan_do_not_show(mixer: Mixer) -> None:
    x = inputs(131)  # two whole chunks of 64 and a bit
    torch.testing.assert_close(read_in(mixer, x, [1] * 131), whole(mixer, x), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("begun", [0, 5, 30])
def test_rows_that_end_inside_a_span_and_go_on_read_as_each_by_itself(mixer: Mixer, begun: int) -> None:
    spans = [(9, [9, 0, 4]), (20, [1, 20, 16]), (3, [0, 3, 3]), (14, [14, 13, 0])]
    x, position, state = inputs(120), torch.zeros(ROWS, dtype=torch.int64), new_state(mixer)
    parts: list[list[Tensor]] = [[] for _ in range(ROWS)]
    with torch.no_grad():
        if begun:
            for row, y in enumerate(read(mixer, x[:, :begun], state, position)):
                parts[row].append(y)
            position = position + begun
        for length, lengths in spans:
            # Padding holds other symbols' bytes, which nothing may see.
            padded = 9.0 * inputs(length, seed=length)
            for row, own in enumerate(lengths):
                padded[row, :own] = x[row, position[row] : position[row] + own]
            fresh = not position.any()
            span = Span(
                position=position, length=length, fresh_only=fresh, dtype=WIDE, lengths=torch.tensor(lengths)
            )
            y, update = mixer(padded, span, None if fresh else state)
            mixer.commit(state, torch.arange(ROWS), update, span.end)
            for row, own in enumerate(lengths):
                parts[row].append(y[row, :own])
            position = span.end
    for row, found in enumerate(parts):
        together = torch.cat(found)
        alone = whole(mixer, x[row : row + 1, : len(together)])[0]
        torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-11)


def test_the_future_does_not_leak(mixer: Mixer) -> None:
    for position in (1, 6, 14):
        assert sequence_leak(lambda x: whole(mixer, x), inputs(15), position) < 1e-12


def test_a_reset_row_forgets_and_its_neighbours_do_not(mixer: Mixer) -> None:
    x, later = inputs(20), inputs(9, seed=3)
    state = new_state(mixer)
    with torch.no_grad():
        read(mixer, x, state, torch.zeros(ROWS, dtype=torch.int64))
        y = read(mixer, later, state, torch.tensor([20, 0, 20]))
        # And on: the ring of the reset row holds old bytes that must stay hidden.
        tail = read(mixer, inputs(4, seed=4), state, torch.tensor([29, 9, 29]))
    fresh = read_in(mixer, torch.cat([later, inputs(4, seed=4)], dim=1), [13])
    straight = read_in(mixer, torch.cat([x, later, inputs(4, seed=4)], dim=1), [33])[:, 20:]
    got = torch.cat([y, tail], dim=1)
    torch.testing.assert_close(got[1], fresh[1], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(got[[0, 2]], straight[[0, 2]], rtol=1e-9, atol=1e-11)


def test_commit_touches_only_its_rows(mixer: Mixer) -> None:
    state = new_state(mixer)
    span = Span.beginning(ROWS, 9, device=torch.device("cpu"), dtype=WIDE)
    update = mixer(inputs(9), span, None)[1]
    mixer.commit(
        state, torch.tensor([2]), {name: value[2:] for name, value in update.items()}, torch.tensor([9])
    )
    for value in state.values():
        assert not value[:2].any()
        assert value[2].any()


def test_state_stays_as_small_as_it_was(mixer: Mixer) -> None:
    state = new_state(mixer)
    size = sum(value.nbytes for value in state.values())
    position = torch.zeros(ROWS, dtype=torch.int64)
    for length in (1, 40, 7):
        with torch.no_grad():
            read(mixer, inputs(length), state, position)
        position = position + length
        assert sum(value.nbytes for value in state.values()) == size


def test_gradients_are_exact(mixer: Mixer) -> None:
    x = inputs(7).requires_grad_()
    assert_exact_gradients(lambda: whole(mixer, x), (x, *mixer.parameters()))


def test_gradients_are_exact_behind_a_carried_state(mixer: Mixer) -> None:
    state = new_state(mixer)
    with torch.no_grad():
        read(mixer, inputs(14, seed=5), state, torch.zeros(ROWS, dtype=torch.int64))
    span = Span(position=torch.tensor([14, 14, 0]), length=5, dtype=WIDE)
    x = inputs(5).requires_grad_()
    assert_exact_gradients(lambda: mixer(x, span, state)[0], (x, *mixer.parameters()))


def test_a_residual_branch_begins_at_zero() -> None:
    for make in MIXERS.values():
        mixer = make().double()
        initialize(mixer, torch.Generator().manual_seed(0))
        assert not whole(mixer, inputs(6)).any()


def test_half_precision_follows_full(mixer: Mixer) -> None:
    x = inputs(24).float()
    mixer.float()
    full = mixer(x, Span.beginning(ROWS, 24, device=x.device, dtype=torch.float32), None)[0]
    half = mixer(x.bfloat16(), Span.beginning(ROWS, 24, device=x.device, dtype=torch.bfloat16), None)[0]
    assert half.dtype == torch.bfloat16
    assert (half.float() - full).abs().mean() < 0.03 * full.abs().mean()


@pytest.mark.parametrize("piece", [1, 5, 12, 16, 50])
@pytest.mark.parametrize("carried", [0, 3, 40])
def test_pieces_of_a_long_span_attend_as_the_whole(
    piece: int, carried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    attention = WindowAttention(SIZE, num_heads=2, window=12).double()
    initialize(attention, torch.Generator().manual_seed(0))
    attention.out.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    x, before, found = inputs(37), inputs(40, seed=3)[:, :carried], []
    for size in (64, piece):
        monkeypatch.setattr("brain.blocks.attention.PIECE", size)
        state, position = new_state(attention), torch.full((ROWS,), carried)
        if carried:
            with torch.no_grad():
                read(attention, before, state, position - carried)
        y, update = attention(x, Span(position=position, length=37, dtype=WIDE), state)
        (gradient,) = torch.autograd.grad(y.square().sum(), attention.qkv.weight)
        found.append([y, gradient, update["keys"]])
    for whole_span, in_pieces in zip(*found, strict=True):
        torch.testing.assert_close(in_pieces, whole_span, rtol=1e-9, atol=1e-10)
