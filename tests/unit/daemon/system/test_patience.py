from __future__ import annotations

import asyncio

import pytest

from daemon.system.patience import LONGEST_SLICE_SECONDS, Timer, happens, slices

pytestmark = pytest.mark.anyio


class Hands:
    """A clock that is moved by hand; whoever waits is frozen for `extra` seconds in the part of that number."""

    def __init__(self, extra: dict[int, float]) -> None:
        self.now = 100.0
        self.extra = extra

    def wait_out(self, seconds: float) -> float:
        for number, part in enumerate(slices(seconds, lambda: self.now)):
            assert part <= LONGEST_SLICE_SECONDS
            self.now += part + self.extra.get(number, 0.0)
        return self.now - 100.0


@pytest.mark.parametrize("seconds", [0.01, 1.0, 120.0, 3600.0])
def test_a_wait_that_is_not_disturbed_takes_its_time(seconds: float) -> None:
    assert Hands({}).wait_out(seconds) == pytest.approx(seconds)


def test_time_that_was_slept_through_does_not_count() -> None:
    frozen = 7200.0
    assert Hands({30: frozen, 60: frozen}).wait_out(120.0) >= 2 * frozen + 117.0


def test_little_delays_count() -> None:
    assert Hands(dict.fromkeys(range(200), 0.5)).wait_out(120.0) == pytest.approx(120.0, abs=1.5)


async def test_a_timer_waits_on_for_whoever_was_frozen() -> None:
    looks, looked_again, called = 0, asyncio.Event(), asyncio.Event()

    def monotonic() -> float:  # frozen in the first part, then time stands still
        nonlocal looks
        looks += 1
        if looks == 9:  # four more parts have passed
            looked_again.set()
        return 1000.0 if looks > 1 else 0.0

    timer = Timer(0.04, called.set, monotonic=monotonic)
    await asyncio.wait_for(looked_again.wait(), 10)
    assert not called.is_set()
    timer.cancel()


async def test_a_timer_calls_back_once_and_not_when_cancelled() -> None:
    called = asyncio.Event()
    Timer(0.01, called.set)
    cancelled = asyncio.Event()
    Timer(0.005, cancelled.set).cancel()
    await asyncio.wait_for(called.wait(), 10)
    assert not cancelled.is_set()


async def test_an_event_within_its_time_or_not() -> None:
    event = asyncio.Event()
    assert not await happens(event, 0.02)
    asyncio.get_running_loop().call_soon(event.set)
    assert await happens(event, 10.0)
    assert await happens(event, 0.0)
