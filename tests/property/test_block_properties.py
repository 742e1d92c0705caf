"""However a stream is cut into spans and reset, a mixer answers as if each stretch were read whole."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.blocks.linear import initialize
from brain.blocks.mixer import MixerOptions, mixers
from brain.blocks.scan import doubling_scan, sequential_scan
from brain.blocks.span import Span
from tests.naive_recurrences import naive_scan

if TYPE_CHECKING:
    from torch import Tensor

    from brain.blocks.mixer import Mixer

SIZE, ROWS, WIDE = 4, 2, torch.float64


def make(kind: str) -> Mixer:
    options = MixerOptions(num_heads=1, window=6, hidden=5)
    mixer: Mixer = mixers.get(kind).load().of(SIZE, options).double()
    initialize(mixer, torch.Generator().manual_seed(0))
    mixer.out.weight.data.normal_(generator=torch.Generator().manual_seed(1))  # type: ignore[union-attr, operator]
    return mixer


def whole(mixer: Mixer, x: Tensor) -> Tensor:
    y: Tensor = mixer(x, Span.beginning(1, x.shape[1], device=x.device, dtype=WIDE), None)[0]
    return y


spans = st.lists(
    st.tuples(st.integers(1, 15), st.lists(st.booleans(), min_size=ROWS, max_size=ROWS)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("kind", mixers.names())
@settings(max_examples=25, deadline=None, derandomize=True)
@given(spans=spans, seed=st.integers(0, 99))
@torch.no_grad()
def test_cuts_and_resets_do_not_show(kind: str, spans: list[tuple[int, list[bool]]], seed: int) -> None:
    mixer = make(kind)
    state = mixer.new_state(ROWS, device=torch.device("cpu"), dtype=WIDE)
    length = sum(size for size, _ in spans)
    x = torch.randn(ROWS, length, SIZE, dtype=WIDE, generator=torch.Generator().manual_seed(seed))
    position, parts, begins = torch.zeros(ROWS, dtype=torch.int64), [], [[0] for _ in range(ROWS)]
    done = 0
    for size, resets in spans:
        for row, reset in enumerate(resets):
            if reset and done:
                position[row] = 0
                begins[row].append(done)
        y, update = mixer(x[:, done : done + size], Span(position=position, length=size, dtype=WIDE), state)
        position = position + size
        mixer.commit(state, torch.arange(ROWS), update, position)
        parts.append(y)
        done += size
    got = torch.cat(parts, dim=1)
    for row in range(ROWS):
        edges = [*begins[row], length]
        for begin, end in pairwise(edges):
            expected = whole(mixer, x[row : row + 1, begin:end])
            torch.testing.assert_close(got[row : row + 1, begin:end], expected, rtol=1e-8, atol=1e-10)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(length=st.integers(1, 70), reverse=st.booleans(), seed=st.integers(0, 99))
def test_all_scans_are_one(length: int, reverse: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    decay = torch.rand(2, length, 3, dtype=WIDE, generator=generator)
    write = torch.randn(2, length, 3, dtype=WIDE, generator=generator)
    initial = torch.randn(2, 3, dtype=WIDE, generator=generator)
    expected = (
        naive_scan(decay.flip(1), write.flip(1), initial).flip(1)
        if reverse
        else naive_scan(decay, write, initial)
    )
    for scan in (sequential_scan, doubling_scan):
        torch.testing.assert_close(scan(decay, write, initial, reverse=reverse), expected)
