"""Patches are causal, and where a span begins or ends changes nothing."""

from __future__ import annotations

import pytest
import torch

from brain.blocks.patches import PatchGrid, kept_bytes, patches_before
from brain.blocks.span import Span


def grid(position: list[int], length: int, size: int) -> PatchGrid:
    return PatchGrid.of(Span(position=torch.tensor(position), length=length), size)


@pytest.mark.parametrize("size", [1, 3, 4, 6])
@pytest.mark.parametrize("position", [[0, 0], [1, 1], [0, 5], [7, 6], [9, 40]])
@pytest.mark.parametrize("length", [1, 2, 4, 9])
@torch.no_grad()
def test_each_patch_is_of_the_bytes_before_its_boundary_and_each_byte_reads_the_newest(
    size: int, position: list[int], length: int
) -> None:
    made = grid(position, length, size)
    window = kept_bytes(size) - 1
    # A feature that says which byte it is of: those before the span, then the span's without its last.
    line = torch.arange(-window, length - 1) + torch.tensor(position)[:, None]
    for row, begin in enumerate(position):
        boundaries = [t for t in range(begin, begin + length) if t % size == 0]
        assert int(made.count[row]) == len(boundaries)
        if boundaries:
            found = made.windows(line[:, :, None].double())[row, : len(boundaries)]
            expected = [list(range(boundary - window, boundary)) for boundary in boundaries]
            assert found.tolist() == expected
        latents = torch.arange(1 + made.span.length)[None, :, None, None] * size + torch.arange(size)[:, None]
        read = made.by_byte(latents.expand(len(position), -1, -1, 1).double())[row, :, 0].tolist()
        known = [sum(boundary <= t for boundary in boundaries) for t in range(begin, begin + length)]
        assert read == [
            number * size + t % size for number, t in zip(known, range(begin, begin + length), strict=True)
        ]
        assert made.slot()[row].tolist() == known
        read_before = made.counted(torch.full((len(position),), length - 1))[row].sum()
        assert int(read_before) == sum(boundary < begin + length - 1 for boundary in boundaries)


def test_the_count_goes_on_from_span_to_span() -> None:
    whole = grid([0], 23, 4).count
    parts = [grid([begin], length, 4).count for begin, length in ((0, 5), (5, 1), (6, 3), (9, 14))]
    assert int(whole) == sum(map(int, parts)) == int(patches_before(torch.tensor(23), 4))
