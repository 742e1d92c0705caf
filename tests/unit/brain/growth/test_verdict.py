"""When a growth paid: hand-written losses of a brain that grew and of its twin."""

from __future__ import annotations

import math

import pytest

from brain.growth.verdict import Losses, judge


def losses(*blocks: tuple[float, float], num_bytes: int = 10) -> Losses:
    """Blocks of the twin's and the grown brain's nats per byte."""
    found = Losses()
    for index, (twin, grown) in enumerate(blocks):
        found.add(index, twin=twin, grown=grown, num_bytes=num_bytes)
    return found


STEADY = [(2.0, 1.98)] * 10


def test_what_is_better_by_more_than_is_asked_paid() -> None:
    verdict = judge(losses(*STEADY), least=0.005)
    assert verdict is not None
    assert verdict.paid
    assert (verdict.gain, verdict.noise) == pytest.approx((0.01, 0.0))
    assert (verdict.promised_bpc, verdict.bpc) == pytest.approx((2.0 / math.log(2), 1.98 / math.log(2)))


@pytest.mark.parametrize(
    ("blocks", "least"),
    [
        (STEADY, 0.02),  # better, but not by what its neurons cost
        ([(2.0, 2.0)] * 10, 0.0),
        ([(1.98, 2.0)] * 10, 0.0),
        ([(2.0, 1.9), (2.0, 2.08)] * 5, 0.0),  # better on the whole, within its noise
    ],
)
def test_what_is_not_better_by_that_did_not_pay(blocks: list[tuple[float, float]], least: float) -> None:
    verdict = judge(losses(*blocks), least=least)
    assert verdict is not None
    assert not verdict.paid


def test_text_that_gets_harder_or_easier_for_both_changes_no_verdict() -> None:
    plain = judge(losses(*STEADY), least=0.005)
    factors = [1.0, 1.0, 2.5, 2.5, 0.4, 0.4, 1.0, 3.0, 3.0, 1.0]
    shaken = judge(losses(*((2.0 * f, 1.98 * f) for f in factors)), least=0.005)
    assert plain is not None
    assert shaken is not None
    assert shaken.paid
    assert shaken.gain == pytest.approx(plain.gain)


def test_blocks_weigh_by_their_bytes() -> None:
    found = losses((2.0, 1.0))
    found.add(1, twin=2.0, grown=2.0, num_bytes=90)
    found.add(3, twin=2.0, grown=2.0, num_bytes=100)
    verdict = judge(found, least=0.0)
    assert verdict is not None
    assert verdict.gain == pytest.approx(0.025)
    assert verdict.noise > 0.025
    assert not verdict.paid


def test_without_two_blocks_of_text_there_is_no_verdict() -> None:
    assert judge(losses(), least=0.0) is None
    assert judge(losses((2.0, 1.0)), least=0.0) is None
    assert judge(losses((0.0, 0.0), (0.0, 0.0)), least=0.0) is None
