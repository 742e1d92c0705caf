"""The workspace: parallel, step by step, split and as it is written agree; causal; constant state; exact gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from brain.blocks.linear import initialize
from brain.blocks.span import Span
from brain.blocks.workspace import Workspace
from tests.contract.probes.causality import sequence_leak
from tests.exact_gradients import assert_exact_gradients

SIZE, ROWS, SLOTS, WIDTH = 6, 3, 3, 4
WIDE = torch.float64
READERS = ("first", "second")
MODULES = 2 * len(READERS)  # two write before each reader
PARTS = MODULES + 2 * len(READERS)


@pytest.fixture
def workspace() -> Workspace:
    made = Workspace(SIZE, slots=SLOTS, width=WIDTH, readers=READERS).double()
    initialize(made, torch.Generator().manual_seed(0))
    return made


def inputs(length: int, seed: int = 2) -> Tensor:
    """What modules put out, what readers ask with, the stream when either pair has written: (B, T, PARTS, d)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(ROWS, length, PARTS, SIZE, dtype=WIDE, generator=generator)


def read(
    workspace: Workspace, x: Tensor, span: Span, state: dict[str, Tensor] | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """What both readers find (B, T, readers, w), and the slots behind the span."""
    board = workspace.board(span, state)
    outputs, asking, stream = torch.split(x, [MODULES, len(READERS), len(READERS)], dim=2)
    found = []
    for index, name in enumerate(READERS):
        pair = outputs[:, :, 2 * index : 2 * index + 2].unbind(2)
        board.write(*pair, stream=stream[:, :, index])
        found.append(board.read(name, asking[:, :, index]))
    return torch.stack(found, dim=2), board.update


def whole(workspace: Workspace, x: Tensor) -> Tensor:
    span = Span.beginning(len(x), x.shape[1], device=x.device, dtype=x.dtype)
    return read(workspace, x, span, None)[0]


def read_in(workspace: Workspace, x: Tensor, lengths: list[int], resets: Tensor | None = None) -> Tensor:
    """Span after span; before the second, `resets` rows start over."""
    state = workspace.new_state(ROWS, device=torch.device("cpu"), dtype=WIDE)
    position, parts = torch.zeros(ROWS, dtype=torch.int64), []
    for index, part in enumerate(torch.split(x, lengths, dim=1)):
        if index == 1 and resets is not None:
            position = position.masked_fill(resets, 0)
        with torch.no_grad():
            y, state = read(workspace, part, Span(position=position, length=part.shape[1], dtype=WIDE), state)
        parts.append(y)
        position = position + part.shape[1]
    return torch.cat(parts, dim=1)


def as_written(workspace: Workspace, x: Tensor) -> Tensor:
    """The equations of the module, one row, position, reader and slot after another."""
    scores, values = torch.split(workspace.propose.weight, [SLOTS, WIDTH])
    keep = workspace.log_keep.exp()
    found = x.new_zeros(*x.shape[:2], len(READERS), WIDTH)
    for row in range(len(x)):
        for index in range(len(READERS)):
            slots = [x.new_zeros(WIDTH) for _ in range(SLOTS)]
            for t in range(x.shape[1]):
                loudness = x[row, t, MODULES + len(READERS) :].square().mean(-1).add(1e-6).sqrt()
                outputs = [x[row, t, m] / loudness[m // 2] for m in range(2 * index + 2)]
                for k in range(SLOTS):
                    strength = [(scores[k] @ y) ** 2 for y in outputs]
                    total = keep[k] + sum(strength)
                    kept = keep[k] * slots[k]
                    added = sum(s * (values @ y) for s, y in zip(strength, outputs, strict=True))
                    slots[k] = (kept + added) / total
                query = workspace.query.weight @ x[row, t, MODULES + index]
                attention = torch.stack([query @ slot / WIDTH**0.5 for slot in slots]).softmax(0)
                found[row, t, index] = attention @ torch.stack(slots)
    return found


@torch.no_grad()
def test_it_is_what_is_written(workspace: Workspace) -> None:
    x = inputs(11)
    torch.testing.assert_close(whole(workspace, x), as_written(workspace, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lengths", [[1] * 37, [5, 1, 13, 18], [30, 7], [2, 35]], ids=str)
def test_every_way_to_read_gives_the_same(workspace: Workspace, lengths: list[int]) -> None:
    x = inputs(37)
    torch.testing.assert_close(read_in(workspace, x, lengths), whole(workspace, x), rtol=1e-10, atol=1e-12)


def test_a_reset_row_forgets_and_its_neighbours_do_not(workspace: Workspace) -> None:
    x = inputs(20)
    got = read_in(workspace, x, [9, 11], resets=torch.tensor([False, True, False]))[:, 9:]
    torch.testing.assert_close(got[1:2], whole(workspace, x[1:2, 9:]), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(got[[0, 2]], whole(workspace, x[[0, 2]])[:, 9:], rtol=1e-10, atol=1e-12)


@torch.no_grad()
def test_a_row_that_ends_inside_a_span_keeps_what_it_had_read(workspace: Workspace) -> None:
    x, later, lengths = inputs(9), inputs(5, seed=3), torch.tensor([9, 4, 0])
    state = workspace.new_state(ROWS, device=torch.device("cpu"), dtype=WIDE)
    fresh = torch.zeros(ROWS, dtype=torch.int64)
    state = read(workspace, x, Span(position=fresh, length=9, dtype=WIDE, lengths=lengths), state)[1]
    found = read(workspace, later, Span(position=lengths, length=5, dtype=WIDE), state)[0]
    for row, length in enumerate(lengths.tolist()):
        both = torch.cat([x[row : row + 1, :length], later[row : row + 1]], dim=1)
        torch.testing.assert_close(found[row], whole(workspace, both)[0, length:], rtol=1e-10, atol=1e-12)


def test_the_future_does_not_leak(workspace: Workspace) -> None:
    for position in (1, 6, 14):
        leak = sequence_leak(
            lambda x: whole(workspace, x.view(*x.shape[:2], PARTS, SIZE)).flatten(2),
            inputs(15).flatten(2),
            position,
        )
        assert leak < 1e-12


def test_state_stays_as_small_as_it_was(workspace: Workspace) -> None:
    state = workspace.new_state(ROWS, device=torch.device("cpu"), dtype=torch.bfloat16)
    for length in (1, 40):
        span = Span(position=torch.zeros(ROWS, dtype=torch.int64), length=length, dtype=WIDE)
        after = read(workspace, inputs(length), span, state)[1]
        assert {name: slots.shape for name, slots in after.items()} == {
            name: slots.shape for name, slots in state.items()
        }


@pytest.mark.parametrize("carried", [False, True])
def test_gradients_are_exact(workspace: Workspace, carried: bool) -> None:
    state = {name: inputs(4, seed=5)[:, :SLOTS, 0, :WIDTH] for name in READERS} if carried else None
    span = Span(position=torch.tensor([4, 4, 0]) * carried, length=4, dtype=WIDE)
    x, stream = torch.split(inputs(4), [MODULES + len(READERS), len(READERS)], dim=2)
    x.requires_grad_()
    assert_exact_gradients(
        lambda: read(workspace, torch.cat([x, stream], dim=2), span, state)[0], (x, *workspace.parameters())
    )


@torch.no_grad()
def test_silent_modules_change_no_bit(workspace: Workspace) -> None:
    span = Span.beginning(ROWS, 9, device=torch.device("cpu"), dtype=WIDE)
    x = inputs(9)
    loud, silent = x[:, :, 0], torch.zeros_like(x[:, :, 0])
    found = []
    for more in ([], [(silent, silent)]):
        board = workspace.board(span, None)
        board.write(loud, x[:, :, 1], stream=loud)
        for pair in more:
            board.write(*pair, stream=loud)
        found.append(board.read("first", x[:, :, -1]))
    assert torch.equal(*found)


def test_a_slot_holds_on_against_weak_proposals_and_gives_way_to_strong_ones(workspace: Workspace) -> None:
    x = inputs(2)
    before, held = {}, {}
    for strength in (1e-3, 1e3):
        scaled = x.clone()
        scaled[:, 1, :MODULES] *= strength
        with torch.no_grad():
            span = Span.beginning(ROWS, 1, device=torch.device("cpu"), dtype=WIDE)
            before[strength] = read(workspace, scaled[:, :1], span, None)[1]["second"]
            span = Span.beginning(ROWS, 2, device=torch.device("cpu"), dtype=WIDE)
            held[strength] = read(workspace, scaled, span, None)[1]["second"]
    torch.testing.assert_close(held[1e-3], before[1e-3], rtol=1e-3, atol=1e-4)
    assert (held[1e3] - before[1e3]).abs().mean() > 100


def test_reading_before_anything_was_written_is_refused(workspace: Workspace) -> None:
    span = Span.beginning(ROWS, 1, device=torch.device("cpu"), dtype=WIDE)
    with pytest.raises(ValueError, match="nothing was written yet"):
        workspace.board(span, None).read("first", inputs(1)[:, :, 0])


def test_half_precision_follows_full(workspace: Workspace) -> None:
    workspace.float()
    x = inputs(24).float()
    full, half = whole(workspace, x), whole(workspace, x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - full).abs().mean() < 0.03 * full.abs().mean()
