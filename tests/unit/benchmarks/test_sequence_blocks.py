"""What mixers cost is measured on recurrences that are one, and on every mixer."""

from __future__ import annotations

import torch

from benchmarks import sequence_blocks
from brain.blocks.delta_scan import delta_scan


def test_the_loop_and_the_chunks_are_one_recurrence() -> None:
    step, state = sequence_blocks.drawn_step(torch.Generator().manual_seed(0))
    short = type(step)(*[part[:2, :40].detach() for part in step])
    torch.testing.assert_close(
        sequence_blocks.loop(short, state[:2]), delta_scan(short, state[:2])[0], atol=1e-4, rtol=1e-4
    )


def test_each_form_is_gone_back_through_and_takes_its_turn() -> None:
    x, turns = torch.ones(3, requires_grad=True), []

    def form(name: str) -> torch.Tensor:
        turns.append(name)
        return 2.0 * x

    rates = sequence_blocks.tokens_a_second({name: lambda name=name: form(name) for name in "ab"}, 2)  # type: ignore[misc]
    assert turns == ["a", "b", "a", "b"]
    assert all(rate > 0 for rate in rates.values())
    assert x.grad is not None
