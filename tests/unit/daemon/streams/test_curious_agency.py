"""The choices of the mix curious, measured: the world answers them, and with 0 where nothing is decided."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch

from brain.ports import Brain, Moment, Reading, StepReport
from brain.vitals.choices import QUIET_STEPS
from brain.vitals.config import AgencyConfig
from brain.vitals.signs.agency import AgencySign
from daemon.trainer.steps.batching import assemble
from tests.unit.daemon.streams.opening import Opener, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.streams.stream import ExperienceStream

LANES = 8


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Eight chapters of 60 KB, each of words of its own, one behind the other in one file."""
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b"abcdefghijklmnoprstuvwy", np.uint8)
    chapters = []
    for _ in range(8):
        words = [rng.choice(letters, rng.integers(3, 9)).tobytes() for _ in range(200)]
        text = b" ".join(words[index] for index in rng.integers(0, 200, 12_000))
        chapters.append(text[:60_000])
    return write_tree(tmp_path / "book", {"all.txt": b"".join(chapters)})


def watch(
    sign: AgencySign, stream: ExperienceStream, num_steps: int, *, shuffle: np.random.Generator | None = None
) -> Reading:
    """Read on under a sign; with `shuffle` it is shown other choices than were made."""
    brain, report = cast("Brain", object()), cast("StepReport", None)
    for step in range(num_steps):
        experience, _ = stream.next(range(LANES))
        choices = stream.choices()
        if shuffle is not None:
            choices = tuple(
                dataclasses.replace(choice, chosen=int(shuffle.choice(choice.offered))) for choice in choices
            )
        batch = assemble(experience, None, torch.device("cpu"))
        moment = Moment(step=step, brain=brain, batch=batch, report=report, choices=choices)
        sign.observe(moment)
        if step % 50 == 49:
            reading = sign.measure(moment)
    return reading


def acting(opener: Opener, book: Path) -> ExperienceStream:
    return opener(book, lanes=LANES, mix="curious", stretch_bytes=256)


def new_sign(**settings: Any) -> AgencySign:
    return AgencySign(AgencyConfig(control_every_ticks=0, **settings), seed=0)


def test_what_is_read_shows_which_segment_was_chosen(tmp_path: Path, book: Path) -> None:
    reading = watch(new_sign(), acting(Opener(tmp_path / "cache"), book), 900)
    assert reading.detail["world"] > 0.7
    assert reading.detail["acts"] == 1.0


def test_choices_that_were_not_made_are_not_recognised(tmp_path: Path, book: Path) -> None:
    rng = np.random.default_rng(5)
    reading = watch(new_sign(), acting(Opener(tmp_path / "cache"), book), 900, shuffle=rng)
    assert reading.detail["world"] < 0.05


def test_it_warms_up_first(tmp_path: Path, book: Path) -> None:
    reading = watch(new_sign(), acting(Opener(tmp_path / "cache"), book), 100)
    assert reading.value is None
    assert "world" not in reading.detail


def test_a_stream_that_obeys_nobody_gives_exactly_zero_over_the_world(tmp_path: Path, book: Path) -> None:
    stream = Opener(tmp_path / "cache")(book, lanes=LANES, mix="round_robin")
    reading = watch(new_sign(), stream, 60)
    assert (reading.detail["acts"], reading.detail["world"]) == (0.0, 0.0)


def test_a_brain_that_acts_no_more_has_no_agency_over_the_world(tmp_path: Path, book: Path) -> None:
    opener, sign = Opener(tmp_path / "cache"), new_sign(warm_up_choices=10)
    stream = acting(opener, book)
    assert watch(sign, stream, 200).detail["acts"] == 1.0
    changed = opener(book, lanes=LANES, mix="round_robin", cursor=stream.cursor())
    reading = watch(sign, changed, QUIET_STEPS + 50)
    assert (reading.detail["acts"], reading.detail["world"]) == (0.0, 0.0)
