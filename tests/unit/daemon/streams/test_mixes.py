"""Every registered mix keeps the promises of the port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from daemon.streams.mixes import mixes
from daemon.streams.mixes.mix import Candidate

if TYPE_CHECKING:
    from daemon.streams.mixes.mix import Mix

NAMES = ("books", "code", "logs", "mail")
LANES = 6


def build(name: str) -> Mix:
    return cast("Mix", mixes.get(name).load()(NAMES, lanes=LANES, weights={}))


def candidates(step: int) -> list[Candidate]:
    """Some of the sources, never none."""
    places = [source for source in range(len(NAMES)) if (step >> source) & 1] or [step % len(NAMES)]
    return [Candidate(source, (step + source) % 3 == 0, 1 + step // (source + 5)) for source in places]


def play(mix: Mix, rng: np.random.Generator, steps: range) -> list[int]:
    chosen = []
    for step in steps:
        chosen.append(mix.choose(step % LANES, candidates(step), rng))
        assert 0 <= chosen[-1] < len(candidates(step))
        mix.learned(step % len(NAMES), 2.0 / (step + 1))
    return chosen


@pytest.mark.parametrize("name", mixes.names())
def test_a_mix_continues_exactly_from_its_state(name: str) -> None:
    mix, rng = build(name), np.random.default_rng(5)
    play(mix, rng, range(100))
    twin, twin_rng = build(name), np.random.default_rng(0)
    twin.load(json.loads(json.dumps(mix.state())))
    twin_rng.bit_generator.state = json.loads(json.dumps(rng.bit_generator.state))
    assert play(mix, rng, range(100, 300)) == play(twin, twin_rng, range(100, 300))
    assert mix.state() == twin.state()


@pytest.mark.parametrize("name", mixes.names())
def test_a_state_taken_is_not_changed_by_later_choices(name: str) -> None:
    mix, rng = build(name), np.random.default_rng(5)
    play(mix, rng, range(10))
    state = mix.state()
    frozen = json.dumps(state)
    play(mix, rng, range(10, 60))
    assert json.dumps(state) == frozen


@pytest.mark.parametrize("name", mixes.names())
def test_a_mix_shows_what_it_is(name: str) -> None:
    assert len(mixes.get(name).summary) > 20
    assert build(name).choices() == ()
