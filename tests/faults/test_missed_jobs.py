"""Scheduled jobs whose minute was slept through, fell into the hour left out, or came twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from daemon.errors import UsageError
from daemon.events import Event, JobFinished, JobMissed
from daemon.schedule import Diary
from daemon.schedule import diary as diary_module
from daemon.schedule.job_registry import JobContext, JobEntry
from daemon.schedule.trigger import Trigger
from daemon.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.faults]

BERLIN = ZoneInfo("Europe/Berlin")
LOOKS = 10  # of the scheduler at its clock: what is due then has run
EVENING = datetime(2026, 2, 14, 23, 0, tzinfo=BERLIN)


@dataclass
class Machine:
    """A machine with a wall clock of its own, a home, and a diary that is looked at all the time."""

    home: Path
    now: datetime = EVENING
    events: list[Event] = field(default_factory=list)
    runs: list[datetime] = field(default_factory=list)
    reported: asyncio.Event = field(default_factory=asyncio.Event)
    looks: int = 0
    looked_enough: asyncio.Event = field(default_factory=asyncio.Event)

    def clock(self) -> float:
        return self.now.timestamp()

    def diary(self, store: Store, entry: JobEntry) -> Diary:
        return Diary(
            work=None,  # type: ignore[arg-type]  # the job here asks for nothing
            notebook=store,
            emit=self.take,
            home=self.home,
            clock=self.clock,
            timezone=BERLIN,
            entries=[entry],
        )

    def take(self, event: Event) -> None:
        self.events.append(event)
        self.reported.set()

    def job(self, cron: str, *, late: bool = True) -> JobEntry:
        async def run(_context: JobContext) -> str:
            self.runs.append(self.now)
            return "done"

        return JobEntry(name="backup", summary="A copy", trigger=Trigger(cron=cron), run=run, late=late)

    async def becomes(self, now: datetime, *, reported: bool = True) -> None:
        """The wall clock shows another time; an event follows."""
        self.reported.clear()
        self.now = now
        if reported:
            await self.reported.wait()
        else:
            self.looks, self.looked_enough = 0, asyncio.Event()
            await self.looked_enough.wait()

    def look(self) -> datetime:
        """The scheduler looks at the wall clock."""
        self.looks += 1
        if self.looks == LOOKS:
            self.looked_enough.set()
        return self.now


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(home=tmp_path)

    class WallClock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return made.look().astimezone(tz)

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", WallClock)
    monkeypatch.setattr(diary_module, "LOOK_EVERY_SECONDS", 0.005)
    return made


def live(machine: Machine, entry: JobEntry, act: Callable[[Diary], Any]) -> None:
    """A life of the daemon."""

    async def life() -> None:
        machine.reported = asyncio.Event()
        diary = machine.diary(store, entry)
        diary.start()
        try:
            await act(diary)
        finally:
            diary.stop()

    with Store.open(machine.home / "synapsed.db", clock=machine.clock) as store:
        asyncio.run(asyncio.wait_for(life(), 20))


@pytest.mark.fault(
    "Missed jobs",
    tried="the machine is suspended from the evening over 03:30, three nights long",
    happens="the backup runs once on waking and reports how late it is; the next is on time",
)
def test_a_job_slept_through_runs_late_once(machine: Machine) -> None:
    async def act(_diary: Diary) -> None:
        await machine.becomes(EVENING + timedelta(days=2, hours=9))
        await machine.becomes(EVENING + timedelta(days=2, hours=20), reported=False)
        await machine.becomes(EVENING + timedelta(days=3, hours=4, minutes=30))

    live(machine, machine.job("30 3 * * *"), act)
    assert [event.message for event in machine.events] == ["backup: done; late by 2 d 4 h", "backup: done"]
    assert len(machine.runs) == 2


@pytest.mark.fault(
    "Missed jobs",
    tried="the same for a job that is useless when late, such as the sleep at night",
    happens="it does not run by day; an event reports that it was missed and why",
)
def test_a_job_of_no_use_late_is_reported(machine: Machine) -> None:
    async def act(diary: Diary) -> None:
        await machine.becomes(EVENING + timedelta(hours=9))
        assert diary.job("backup")["last_outcome"].startswith("missed: the machine slept")
        await machine.becomes(EVENING + timedelta(days=1, hours=4, minutes=30))

    live(machine, machine.job("30 3 * * *", late=False), act)
    missed, finished = machine.events
    assert isinstance(missed, JobMissed)
    assert (missed.due, missed.late_seconds) == ("2026-02-15T02:30:00+00:00", 4.5 * 3600)
    assert isinstance(finished, JobFinished)
    assert finished.message == "backup: done"


@pytest.mark.fault(
    "Missed jobs",
    tried="a daemon that runs by day only, from its first day on",
    happens="the backup due at night runs a minute after each start, and reports how late",
)
def test_a_daemon_that_runs_by_day_only_still_makes_its_copies(machine: Machine) -> None:
    entry = machine.job("30 3 * * *")

    async def first_day(_diary: Diary) -> None:
        await machine.becomes(EVENING + timedelta(hours=1), reported=False)

    async def other_days(diary: Diary) -> None:
        assert datetime.fromisoformat(diary.job("backup")["next_run"]) == machine.now + timedelta(minutes=1)
        await machine.becomes(machine.now + timedelta(minutes=1))

    live(machine, entry, first_day)
    assert machine.events == []
    for day in (1, 2):
        machine.now = EVENING + timedelta(days=day)
        live(machine, entry, other_days)
    assert [event.message for event in machine.events] == ["backup: done; late by 19 h 31 min"] * 2


@pytest.mark.fault(
    "Missed jobs",
    tried="the clock was years ahead when a job ran, and is right again",
    happens="the job runs at its next time, not in years",
)
def test_a_clock_that_was_ahead_stops_no_job(machine: Machine) -> None:
    with Store.open(machine.home / "synapsed.db", clock=machine.clock) as store:
        store.put_job("backup", paused=False, last_run="2040-01-01T00:00:00+00:00", last_outcome="done")

    async def act(diary: Diary) -> None:
        assert diary.job("backup")["next_run"] == "2026-02-15T02:30:00+00:00"

    live(machine, machine.job("30 3 * * *"), act)


@pytest.mark.fault(
    "Missed jobs",
    tried="jobs at 02:00 and 02:30 in the nights in which clocks go forward and back",
    happens="each runs once in either night",
)
@pytest.mark.parametrize("cron", ["0 2 * * *", "30 2 * * *"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN)])
def test_a_night_in_which_clocks_jump_has_one_run(machine: Machine, cron: str, day: datetime) -> None:
    machine.now = day
    begin = day.astimezone(UTC)

    async def act(_diary: Diary) -> None:
        for minutes in range(0, 7 * 60, 30):
            await machine.becomes(begin + timedelta(minutes=minutes), reported=False)

    live(machine, machine.job(cron), act)
    assert [event.message for event in machine.events] == ["backup: done"]
    (moment,) = machine.runs
    assert moment.astimezone(BERLIN).date() == day.date()
    assert 2 <= moment.astimezone(BERLIN).hour <= 3


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6 *", "٣ 3 * * *"])
@pytest.mark.fault(
    "Missed jobs",
    tried="a job is given a time that never comes (30 February), or one in the digits of another script",
    happens="refused with the reason; the job keeps its time, also where such a time was kept before",
)
def test_a_time_that_never_comes_is_refused(machine: Machine, cron: str) -> None:
    entry = machine.job("30 3 * * *")
    with Store.open(machine.home / "synapsed.db", clock=machine.clock) as store:
        diary = machine.diary(store, entry)
        with pytest.raises(UsageError, match=r"job backup: cron .*(never comes|digits are 0 to 9)"):
            diary.change("backup", cron=cron)
        assert diary.job("backup")["trigger"] == "cron 30 3 * * *"
        store.put_job("backup", paused=False, trigger={"cron": cron})
        assert machine.diary(store, entry).job("backup")["trigger"] == "cron 30 3 * * *"
