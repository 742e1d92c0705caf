"""Reliance by source: means over the bytes read since the last report, every fifty steps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from daemon.trainer.measures.reliance_by_source import EVERY_STEPS, RelianceBySource
from tests.unit.brain.vitals.networks import batch_of, report

NAMES = ["notes", "logs", "books"]


class Points:
    """The part of a reporter that is asked here."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, Any]] = []

    def point(self, metric: str, step: int, value: float) -> None:
        self.seen.append((metric, step, value))

    def event(self, event: object) -> None:
        raise NotImplementedError


def add(
    reliance: RelianceBySource, shares: list[float] | None, source: list[int], lengths: list[int]
) -> None:
    batch = batch_of(torch.zeros(len(source), 8, dtype=torch.uint8))
    batch = replace(batch, source=torch.tensor(source), mask=torch.arange(8) < torch.tensor(lengths)[:, None])
    share = None if shares is None else torch.tensor(shares, dtype=torch.float64)
    reliance.add(batch, replace(report(), row_reliance=share))


def test_each_source_that_was_read_has_its_mean_over_bytes_at_the_step_that_is_due() -> None:
    reliance, points = RelianceBySource(NAMES.__getitem__), Points()
    add(reliance, [0.5, 0.25, math.nan], [0, 0, 1], [8, 4, 8])  # the last row is replayed
    reliance.report(points, EVERY_STEPS - 1)
    assert points.seen == []
    add(reliance, [1.0, 0.75, math.nan], [2, 0, 2], [2, 4, 0])
    reliance.report(points, EVERY_STEPS)
    mean = (0.5 * 8 + 0.25 * 4 + 0.75 * 4) / 16
    assert points.seen == [
        ("reliance/notes", EVERY_STEPS, pytest.approx(mean)),
        ("reliance/books", EVERY_STEPS, pytest.approx(1.0)),
    ]
    points.seen.clear()
    add(reliance, [0.5], [1], [8])
    reliance.report(points, 2 * EVERY_STEPS)
    assert points.seen == [("reliance/logs", 2 * EVERY_STEPS, pytest.approx(0.5))]


def test_a_brain_without_an_exact_memory_has_none() -> None:
    reliance, points = RelianceBySource(NAMES.__getitem__), Points()
    add(reliance, None, [0, 1], [8, 8])
    reliance.report(points, EVERY_STEPS)
    assert points.seen == []
