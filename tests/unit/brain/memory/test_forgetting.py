"""Forgetting of one source and of all, and what replay makes of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.memory.config import ReplayConfig
from brain.memory.forgetting import Forgetting, Track
from brain.memory.replay_fraction import next_fraction


def test_what_was_never_learned_cannot_be_forgotten() -> None:
    track = Track()
    track.follow(5.0, 0.5)
    track.follow(7.0, 0.5)
    assert track.forgetting is None
    assert math.isnan(Forgetting.of([track]).mean)


def test_forgetting_is_the_smoothed_loss_over_its_smoothed_best() -> None:
    track = Track(fresh=True)
    track.follow(4.0, 0.5)
    track.fresh = True
    track.follow(2.0, 0.5)
    assert (track.smooth, track.best, track.learned) == (3.0, 3.0, 3.0)
    track.follow(5.0, 0.5)
    assert track.forgetting == pytest.approx(1.0)
    assert track.backward_transfer == pytest.approx(-1.0)
    assert track.stability_gap == pytest.approx(2.0)
    track.follow(1.0, 0.5)
    assert track.forgetting == pytest.approx(0.0)
    assert track.backward_transfer == pytest.approx(0.5)
    assert track.stability_gap == pytest.approx(2.0)  # it came back, but it had been gone


def test_over_all_sources_only_those_learned_from_count() -> None:
    kept, lost, unknown = Track(fresh=True), Track(fresh=True), Track()
    for track in (kept, lost, unknown):
        track.follow(2.0, 0.0)
    lost.follow(2.6, 0.0)
    total = Forgetting.of([kept, lost, unknown])
    assert total.mean == pytest.approx(0.3)
    assert total.worst == pytest.approx(0.6)
    assert total.backward_transfer == pytest.approx(-0.3)
    assert total.stability_gap == pytest.approx(0.3)


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0, 0.9), st.floats(0, 0.9))
def test_the_fraction_stays_within_its_bounds(forgetting: list[float], lowest: float, highest: float) -> None:
    config = ReplayConfig(fraction=lowest, max_fraction=highest)
    fraction = lowest
    for value in forgetting:
        fraction = next_fraction(fraction, value, 0.02, config)
        assert lowest <= fraction <= max(lowest, highest)
