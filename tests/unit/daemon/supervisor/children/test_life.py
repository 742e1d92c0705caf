"""ChildLife keeps any kind of child going: here one that only counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.errors import ConflictError
from daemon.supervisor.children.life import ChildLife, LifeSettings
from daemon.supervisor.children.restart import RestartPolicy
from daemon.supervisor.clock import SystemClock
from tests.unit.daemon.supervisor.children.counting_child import (
    COUNTER,
    ENTRY,
    Counted,
    CountGoodbye,
    CountOrder,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

TIMEOUT_SECONDS = 20.0
CANNOT_COUNT = "exit code 3: ValueError: cannot count further"


class Tally:
    """A ChildObserver that writes down what it is notified of."""

    def __init__(self) -> None:
        self.sessions: list[int] = []
        self.counted: list[int] = []
        self.slow: list[float] = []
        self.deaths: list[tuple[str, float | None]] = []
        self.ends: list[tuple[CountGoodbye | None, str]] = []
        self.news = asyncio.Event()

    def on_spawn(self, order: CountOrder) -> None:
        self.sessions.append(order.session)
        self.news.set()

    def on_message(self, subject: str, message: Counted) -> None:
        assert subject == "count-1"
        self.counted.append(message.number)
        self.news.set()

    def on_slow(self, subject: str, silent_seconds: float) -> None:
        self.slow.append(silent_seconds)
        self.news.set()

    def on_death(self, subject: str, reason: str, restart_seconds: float | None) -> None:
        self.deaths.append((reason, restart_seconds))
        self.news.set()

    def on_end(self, subject: str, goodbye: CountGoodbye | None, reason: str) -> None:
        self.ends.append((goodbye, reason))

    def next_order(self, order: CountOrder) -> CountOrder:
        return replace(order, session=order.session + 1, start=self.counted[-1] + 1, end=order.end + 2)

    async def until(self, what: str, number: int) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(getattr(self, what)) < number:
                self.news.clear()
                await self.news.wait()


def begun(
    tmp_path: Path,
    *,
    first_seconds: float = 0.01,
    silence_seconds: float = 60.0,
    cpu_seconds: Callable[[int], float | None] = lambda _: 0.0,
    **order: Any,
) -> tuple[ChildLife[Any, Any, Any], Tally]:
    tally = Tally()
    settings = LifeSettings(
        entry=ENTRY,
        silence_seconds=silence_seconds,
        busy_factor=3,
        cpu_seconds=cpu_seconds,
        linger_seconds=5.0,
        restart=lambda: RestartPolicy(first_seconds=first_seconds, max_restarts=2),
    )
    life = ChildLife(
        CountOrder(session=1, **order),
        COUNTER,
        observer=tally,
        settings=settings,
        clock=SystemClock(),
        log_path=tmp_path / "counter.log",
    )
    life.begin()
    return life, tally


async def ended(life: ChildLife[Any, Any, Any]) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await life.ended.wait()


async def test_an_order_a_heartbeat_a_goodbye(tmp_path: Path) -> None:
    life, tally = begun(tmp_path)
    await ended(life)
    assert (tally.sessions, tally.counted, tally.deaths) == ([1], [0, 1, 2], [])
    assert tally.ends == [(CountGoodbye(state="finished", total=3), "")]
    assert life.pid is None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("dies", CANNOT_COUNT), ("crashed", "cannot count"), ("falls silent", "silent for 1 s, and idle")],
)
async def test_a_death_is_followed_by_another_child_where_the_kind_allows_it(
    tmp_path: Path, fault: str, reason: str
) -> None:
    life, tally = begun(tmp_path, silence_seconds=1.0, fault=fault, faulty_sessions=1)
    await ended(life)
    assert tally.deaths == [(reason, 0.01)]
    assert (tally.sessions, tally.counted) == ([1, 2], [0, 1, 2, 3, 4])
    assert tally.ends == [(CountGoodbye(state="finished", total=5), "")]


async def test_back_off_doubles_and_ends(tmp_path: Path) -> None:
    life, tally = begun(tmp_path, fault="dies", faulty_sessions=9)
    await ended(life)
    assert tally.deaths == [(CANNOT_COUNT, 0.01), (CANNOT_COUNT, 0.02), (CANNOT_COUNT, None)]
    assert tally.ends == [(None, f"counter died too often; last: {CANNOT_COUNT}")]


async def test_a_mistake_of_the_users_is_not_tried_again(tmp_path: Path) -> None:
    life, tally = begun(tmp_path, ends_as="refused")
    await ended(life)
    goodbye = CountGoodbye(state="crashed", error="cannot count", restartable=False, total=3)
    assert (tally.sessions, tally.deaths, tally.ends) == ([1], [], [(goodbye, "cannot count")])


async def test_a_command_reaches_it_and_a_stop_is_its_last(tmp_path: Path) -> None:
    life, tally = begun(tmp_path, ends_as="waits")
    await tally.until("counted", 3)
    life.stop("stop")
    await ended(life)
    assert tally.ends == [(CountGoodbye(state="stopped", total=3), "")]


async def test_between_two_lives_it_can_only_be_stopped(tmp_path: Path) -> None:
    life, tally = begun(tmp_path, first_seconds=60.0, fault="dies", faulty_sessions=1)
    await tally.until("deaths", 1)
    with pytest.raises(ConflictError, match="count-1 has no counter at this moment"):
        life.require_child()
    life.stop("stop")
    assert tally.ends == [(None, "stopped before the next counter was started")]
    assert life.ended.is_set()


async def test_a_killed_one_stays_dead(tmp_path: Path) -> None:
    life, tally = begun(tmp_path, ends_as="falls silent")
    await tally.until("counted", 3)
    life.kill()
    await ended(life)
    assert tally.ends == [(None, "ended at once, without a last save")]
    assert tally.sessions == [1]


class WorkingClock:
    """Processor time of a child that works on: more at each look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, pid: int) -> float:
        assert pid > 0
        self.seconds += 0.5
        return self.seconds


async def test_a_silent_child_that_works_is_slow_and_lives(tmp_path: Path) -> None:
    life, tally = begun(tmp_path, silence_seconds=0.5, cpu_seconds=WorkingClock(), ends_as="waits")
    await tally.until("slow", 1)
    life.stop("stop")
    await ended(life)
    assert (tally.slow, tally.deaths) == ([0.5], [])
    assert tally.ends == [(CountGoodbye(state="stopped", total=3), "")]


async def test_a_child_that_works_without_a_word_for_too_long_hangs(tmp_path: Path) -> None:
    life, tally = begun(
        tmp_path, silence_seconds=0.5, cpu_seconds=WorkingClock(), fault="falls silent", faulty_sessions=1
    )
    await tally.until("deaths", 1)
    await ended(life)
    assert (tally.slow, [reason for reason, _ in tally.deaths]) == (
        [0.5],
        ["silent for 2 s, though it used the processor"],
    )


async def test_a_child_whose_processor_time_is_not_known_is_judged_by_its_silence(tmp_path: Path) -> None:
    life, tally = begun(
        tmp_path, silence_seconds=1.0, cpu_seconds=lambda _: None, fault="falls silent", faulty_sessions=1
    )
    await ended(life)
    assert ([reason for reason, _ in tally.deaths], tally.slow) == (["silent for 1 s, and idle"], [])
