"""Rows that a measurement reads: whole ones where there are, shorter ones of a table of short records."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from brain.ports import Batch
from brain.vitals.config import ProbeConfig
from brain.vitals.live_sign import NotMeasurableError
from brain.vitals.live_text import live_pieces
from brain.vitals.module_watch import ModuleWatch
from tests.unit.brain.vitals.networks import Network, moment

WIDTH = 48


def batch_of_lengths(*lengths: int, replayed: int = 0) -> Batch:
    """Live rows of these lengths, and replayed ones that are full."""
    count = len(lengths) + replayed
    held = torch.tensor([*lengths, *[WIDTH] * replayed])
    drawn = torch.randint(97, 123, (count, WIDTH), generator=torch.Generator().manual_seed(0))
    return Batch(
        bytes=drawn.to(torch.uint8),
        mask=torch.arange(WIDTH)[None, :] < held[:, None],
        lane=torch.tensor([*range(len(lengths)), *[-1] * replayed]),
        reset=torch.ones(count, dtype=torch.bool),
        source=torch.zeros(count, dtype=torch.int64),
    )


@pytest.mark.parametrize(
    ("lengths", "shape"),
    [
        ((48, 48, 30, 48), (3, 40)),  # whole rows are enough of them
        ((12, 20, 30, 25, 3), (2, 25)),  # the median of those that are long enough
        ((12, 12, 12), (3, 12)),
        ((48, 11, 11, 11), (7, 11)),  # one whole row would stand for all
    ],
)
def test_rows_of_short_records_are_read_as_far_as_they_go(
    lengths: tuple[int, ...], shape: tuple[int, int]
) -> None:
    batch = batch_of_lengths(*lengths, replayed=2)
    rows = live_pieces(batch, longest=40, shortest=10, most=8, generator=torch.Generator().manual_seed(0))
    assert tuple(rows.shape) == shape
    read = [bytes(row.tolist()) for row in batch.bytes[: len(lengths)]]
    assert all(any(bytes(row.tolist()) in one for one in read) for row in rows)


def test_the_reason_names_the_condition_that_holds() -> None:
    with pytest.raises(
        NotMeasurableError, match=r"^no live row of this batch has 10 bytes; the longest has 9$"
    ):
        live_pieces(batch_of_lengths(9, 4), longest=40, shortest=10, most=8, generator=torch.Generator())
    with pytest.raises(NotMeasurableError, match=r"^no live row of this batch has 10 bytes$"):
        live_pieces(
            batch_of_lengths(replayed=2), longest=40, shortest=10, most=8, generator=torch.Generator()
        )


def test_modules_are_watched_over_short_records() -> None:
    watch = ModuleWatch(ProbeConfig(), seed=0)
    for step, lengths in enumerate(((20,) * 16, (14,) * 16, (48,) * 16), start=1):
        now = dataclasses.replace(moment(Network(), step), batch=batch_of_lengths(*lengths))
        assert watch.look(now).rows.shape[1] == min(lengths[0], ProbeConfig().length)
