"""Pieces of live text for a tick: whole ones of live rows only."""

from __future__ import annotations

import torch

from brain.ports import Batch
from brain.vitals.live_text import whole_pieces


def pieces(batch: Batch, length: int, most: int = 99) -> list[list[int]]:
    found = whole_pieces(batch, length, most=most, generator=torch.Generator().manual_seed(0))
    return sorted(found.tolist())


def batch_of(lanes: list[int], lengths: list[int], width: int) -> Batch:
    rows = torch.arange(len(lanes) * width, dtype=torch.uint8).view(len(lanes), width)
    return Batch(
        bytes=rows,
        mask=torch.arange(width)[None, :] < torch.tensor(lengths)[:, None],
        lane=torch.tensor(lanes),
        reset=torch.zeros(len(lanes), dtype=torch.bool),
        source=torch.zeros(len(lanes), dtype=torch.int64),
    )


def test_a_long_row_has_several_pieces_and_a_replayed_one_none() -> None:
    batch = batch_of([0, -1], [10, 10], 10)
    assert pieces(batch, 3) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert pieces(batch, 10) == [list(range(10))]


def test_pieces_end_where_a_row_ends() -> None:
    batch = batch_of([0, 1, 2], [10, 5, 2], 10)
    assert pieces(batch, 3) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [10, 11, 12]]
    assert pieces(batch, 11) == []


def test_no_more_are_drawn_than_asked_for() -> None:
    found = pieces(batch_of([0, 1], [10, 10], 10), 2, most=4)
    assert len(found) == 4
    assert len({piece[0] for piece in found}) == 4
