"""Compiled recurrences are those in chunks, values and gradients; where they do not serve, chunks do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from brain.blocks import recurrences
from brain.blocks.convolution import _CausalConv
from brain.blocks.delta_scan import DeltaStep, delta_scan
from brain.blocks.recurrences import compiled_loops, convolve, delta_rule, loops_for, state_space
from brain.blocks.rwkv7 import FASTEST
from brain.blocks.ssd import ssd_scan

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("numba")
WIDE = torch.float64
ROWS, HEADS, SIZE = 3, 2, 4
LENGTHS = [1, 2, 16, 37]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def agree(
    ours: Callable[..., tuple[Tensor, Tensor]],
    theirs: Callable[..., tuple[Tensor, Tensor]],
    leaves: list[Tensor],
) -> None:
    found = []
    for form in (ours, theirs):
        y, last = form(*leaves)
        gradients = torch.autograd.grad(y.sin().sum() + last.square().sum(), leaves)
        found.append((y, last, *gradients))
    for got, expected in zip(*found, strict=True):
        assert (got - expected).abs().max() <= 1e-10 * expected.abs().max().clamp(min=1.0)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("threads", [1, 4])
def test_delta_rule_is_that_in_chunks(length: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    parts = [draw(ROWS, length, HEADS, SIZE, seed=seed) for seed in range(6)]
    initial = draw(ROWS, HEADS, SIZE, SIZE, seed=6)

    def by(scan: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
        def form(raw: Tensor, erase: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
            *others, state = rest
            unit = torch.nn.functional.normalize(erase, dim=-1)
            return scan(DeltaStep(FASTEST * raw.sigmoid(), unit, *others), state)

        return form

    agree(by(delta_rule), by(delta_scan), [*parts, initial])


def test_delta_rule_with_one_key_for_both_writes() -> None:
    raw, erase, back, value, read = (draw(ROWS, 19, HEADS, SIZE, seed=seed) for seed in range(5))

    def by(scan: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
        def form(raw: Tensor, erase: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
            back, value, read, state = rest
            unit = torch.nn.functional.normalize(erase, dim=-1)
            return scan(DeltaStep(FASTEST * raw.sigmoid(), unit, back, back, value, read), state)

        return form

    agree(
        by(delta_rule),
        by(delta_scan),
        [raw, erase, back, value, read, draw(ROWS, HEADS, SIZE, SIZE, seed=5)],
    )


@pytest.mark.parametrize("length", LENGTHS)
def test_state_space_is_that_in_chunks(length: int) -> None:
    inner = HEADS * SIZE
    leaves = [
        draw(ROWS, length, HEADS), draw(ROWS, length, HEADS, seed=1), draw(ROWS, length, inner + 8, seed=2),
        draw(HEADS, seed=3), draw(ROWS, HEADS, SIZE, 4, seed=4),
    ]  # fmt: skip
    loops = compiled_loops()
    assert loops is not None

    def ours(raw: Tensor, dt: Tensor, mixed: Tensor, skip: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return state_space(loops, log_decay=-raw.exp(), dt=dt, mixed=mixed, skip=skip, initial=state)

    def chunked(raw: Tensor, dt: Tensor, mixed: Tensor, skip: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x, into, outof = torch.split(mixed, [inner, 4, 4], dim=-1)
        x = x.reshape(ROWS, length, HEADS, SIZE)
        y, last = ssd_scan(-raw.exp(), x * dt.unsqueeze(-1), into, outof, state, chunk=5)
        return (y + skip[:, None] * x).flatten(2), last

    agree(ours, chunked, leaves)


@pytest.mark.parametrize("length", [1, 2, 9])
def test_convolution_is_that_of_shifted_views(length: int) -> None:
    loops = compiled_loops()
    assert loops is not None
    agree(
        lambda reach, weight: (convolve(loops, reach, weight), reach),
        lambda reach, weight: (_CausalConv.apply(reach, weight), reach),  # type: ignore[no-untyped-call]
        [draw(ROWS, length + 3, 5), draw(4, 5, seed=1)],
    )


def test_what_is_not_finite_stays_so() -> None:
    parts = [draw(1, 3, 1, SIZE, seed=seed).detach() for seed in range(6)]
    parts[4][0, 1, 0, 2] = torch.nan
    y, last = delta_rule(DeltaStep(*parts), torch.zeros(1, 1, SIZE, SIZE, dtype=WIDE))
    assert y[0, 2, 0, 2].isnan()
    assert last[..., 2].isnan().all()
    assert y[0, 0].isfinite().all()


def test_loops_serve_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    one = torch.zeros(1)
    assert loops_for(one, one) is not None
    assert loops_for(one, one.double()) is None
    assert loops_for(one.bfloat16()) is None
    assert loops_for(one, unrolled=5) is None
    monkeypatch.setattr(recurrences, "compiled_loops", lambda: None)  # as without Numba
    parts = [draw(1, 7, 1, SIZE, seed=seed).detach() for seed in range(6)]
    step, initial = DeltaStep(*parts), torch.zeros(1, 1, SIZE, SIZE, dtype=WIDE)
    assert torch.equal(delta_rule(step, initial)[0], delta_scan(step, initial)[0])
