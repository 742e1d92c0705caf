"""The diary: its jobs, what a person changes, what is kept, and what happens when the time comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from apscheduler.triggers.date import DateTrigger  # type: ignore[import-untyped]

from brain.errors import DuplicateNameError
from daemon.errors import ConflictError, NotFoundError, UsageError
from daemon.events import Event, JobFailed, JobFinished
from daemon.schedule import Diary
from daemon.schedule.job_registry import JobContext, JobEntry, job, registered_jobs
from daemon.schedule.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 2, 15, 12, 0, tzinfo=UTC)


class FakeWork:
    """Answers at once, or waits at the gate; fails while set to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.trouble: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.begun = asyncio.Event()

    async def evaluate(self) -> str:
        return await self._do("evaluate")

    async def sleep(self) -> str:
        return await self._do("sleep")

    async def backup(self, path: Path) -> int:
        await self._do("backup")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 2**20)
        return 2**20

    async def prune(self) -> str:
        return await self._do("prune")

    async def upkeep(self) -> str:
        return await self._do("upkeep")

    async def _do(self, what: str) -> str:
        self.calls.append(what)
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        return f"{what} done"


@dataclass
class FakeNotebook:
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: datetime = NOW

    def begun_at(self) -> float:
        return self.begun.timestamp()

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {name: {"job": name, **values} for name, values in self.kept.items()}

    def put_job(self, job: str, **values: Any) -> None:
        self.kept.setdefault(job, {}).update(values)


@dataclass
class Room:
    """Everything around a diary."""

    home: Path
    work: FakeWork = field(default_factory=FakeWork)
    notebook: FakeNotebook = field(default_factory=FakeNotebook)
    events: list[Event] = field(default_factory=list)
    now: datetime = NOW

    def clock(self) -> float:
        return self.now.timestamp()

    def diary(self, entries: list[JobEntry] | None = None) -> Diary:
        return Diary(
            work=self.work,
            notebook=self.notebook,
            emit=self.events.append,
            home=self.home,
            clock=self.clock,
            timezone=UTC,
            entries=entries,
        )


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(home=tmp_path)


def in_a_loop(act: Callable[[], Any]) -> None:
    """Run a coroutine function to its end, at most ten seconds."""

    async def bounded() -> None:
        await asyncio.wait_for(act(), 10)

    asyncio.run(bounded())


def test_the_diary_lists_what_a_person_would_put_in_it(room: Room) -> None:
    jobs = {job["id"]: job for job in room.diary().jobs()}

    assert sorted(jobs) == ["backup", "evaluation", "pruning", "sleep", "upkeep"]
    assert jobs["pruning"]["trigger"] == "every 1 h"
    assert (jobs["backup"]["cron"], jobs["backup"]["every_seconds"]) == ("30 3 * * *", None)
    assert all(job["summary"] and job["last_run"] is None for job in jobs.values())
    assert [name for name, job in jobs.items() if job["paused"]] == ["sleep"]


def test_every_registered_job_has_its_file_and_a_summary() -> None:
    for entry in registered_jobs():
        assert entry.run.__module__ == f"daemon.schedule.jobs.{entry.name}"
        assert entry.summary
        assert not entry.summary.endswith(".")


def test_two_jobs_of_one_name_are_refused() -> None:
    registered_jobs()  # which imports them all; a worker may have run nothing that did

    async def other(_context: JobContext) -> str:
        return ""

    with pytest.raises(DuplicateNameError, match="two jobs are called 'backup'"):
        job("backup", summary="another", every_seconds=60.0)(other)


@pytest.mark.parametrize(
    ("name", "call"),
    [("evaluation", "evaluate"), ("pruning", "prune"), ("sleep", "sleep"), ("upkeep", "upkeep")],
)
def test_a_job_run_by_hand_does_its_work_and_is_written_down(room: Room, name: str, call: str) -> None:
    async def act() -> None:
        outcome = await room.diary().run_now(name)
        assert (outcome.ok, outcome.outcome) == (True, f"{call} done")

    in_a_loop(act)
    assert room.work.calls == [call]
    kept = {"paused": name == "sleep", "last_run": NOW.isoformat(), "last_outcome": f"{call} done"}
    assert room.notebook.kept[name] == kept
    (event,) = room.events
    assert isinstance(event, JobFinished)
    assert (event.job, event.outcome) == (name, f"{call} done")


def test_a_job_that_fails_is_reported_and_the_diary_continues(room: Room) -> None:
    room.work.trouble = RuntimeError("the disk is gone\nand more")

    async def act() -> None:
        diary = room.diary()
        outcome = await diary.run_now("upkeep")
        assert (outcome.ok, outcome.outcome) == (False, "the disk is gone")
        assert diary.job("upkeep")["last_outcome"] == "failed: the disk is gone"
        room.work.trouble = None
        assert (await diary.run_now("upkeep")).ok

    in_a_loop(act)
    assert isinstance(room.events[0], JobFailed)
    assert room.events[0].error == "the disk is gone"


def test_backups_are_dated_and_seven_are_kept(room: Room) -> None:
    async def act() -> None:
        diary = room.diary()
        for day in range(1, 10):
            room.now = NOW.replace(day=day)
            outcome = await diary.run_now("backup")
        assert outcome.outcome == "backups/synapsed-20260209-120000.db, 1.0 MiB; 1 old deleted"

    in_a_loop(act)
    kept = sorted(path.name for path in (room.home / "backups").iterdir())
    assert kept == [f"synapsed-202602{day:02}-120000.db" for day in range(3, 10)]


def test_a_failed_backup_deletes_no_older_one(room: Room) -> None:
    folder = room.home / "backups"
    folder.mkdir()
    for day in range(10):
        (folder / f"synapsed-2026010{day}-000000.db").touch()
    room.work.trouble = OSError("no space left on device")

    async def act() -> None:
        assert not (await room.diary().run_now("backup")).ok

    in_a_loop(act)
    assert len(list(folder.iterdir())) == 10


def test_one_instance_of_a_job_at_a_time(room: Room) -> None:
    async def act() -> None:
        diary = room.diary()
        room.work.gate = asyncio.Event()
        first = asyncio.create_task(diary.run_now("pruning"))
        await room.work.begun.wait()
        assert diary.job("pruning")["running"]
        with pytest.raises(ConflictError, match="pruning is running already"):
            await diary.run_now("pruning")
        room.work.gate.set()
        assert (await first).ok
        assert not diary.job("pruning")["running"]

    in_a_loop(act)
    assert room.work.calls == ["prune"]


def test_changes_are_seen_at_once_and_after_a_restart(room: Room) -> None:
    async def act() -> None:
        diary = room.diary()
        diary.start()
        before = diary.job("backup")["next_run"]
        assert before is not None
        changed = diary.change("backup", cron="0 12 * * 1")
        assert changed["trigger"] == "cron 0 12 * * 1"
        assert datetime.fromisoformat(changed["next_run"]).strftime("%a %H:%M") == "Mon 12:00"
        paused = diary.change("backup", paused=True)
        assert (paused["paused"], paused["next_run"]) == (True, None)
        diary.change("pruning", every_seconds=120)
        diary.stop()

        again = room.diary()
        again.start()
        assert (again.job("backup")["paused"], again.job("backup")["cron"]) == (True, "0 12 * * 1")
        assert again.job("backup")["next_run"] is None
        assert again.job("pruning")["trigger"] == "every 2 min"
        assert again.change("backup", paused=False)["next_run"] is not None
        again.stop()

    in_a_loop(act)


def test_a_job_set_back_to_its_own_trigger_keeps_none(room: Room) -> None:
    diary = room.diary()
    diary.change("pruning", every_seconds=120)
    diary.change("pruning", every_seconds=3600)
    assert room.notebook.kept["pruning"]["trigger"] is None


def test_wrong_changes_are_refused_in_a_line_and_change_nothing(room: Room) -> None:
    diary = room.diary()
    with pytest.raises(NotFoundError, match="no job is called 'bakcup'; did you mean backup"):
        diary.change("bakcup", paused=True)
    with pytest.raises(NotFoundError, match="there are backup, evaluation, pruning, sleep, upkeep"):
        diary.job("zzz")
    with pytest.raises(UsageError, match="nothing to change"):
        diary.change("backup")
    with pytest.raises(UsageError, match="job backup: cron '1 2' has 2 fields"):
        diary.change("backup", cron="1 2", paused=True)
    with pytest.raises(UsageError, match="not both"):
        diary.change("backup", cron="1 2 * * *", every_seconds=60)
    assert room.notebook.kept == {}
    assert not diary.job("backup")["paused"]


def test_a_kept_trigger_that_is_not_understood_gives_way(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.notebook.kept["backup"] = {"trigger": {"cron": "99 * * * *"}}
    assert room.diary().job("backup")["cron"] == "30 3 * * *"
    assert "is not understood" in caplog.text


@pytest.mark.parametrize(
    ("last_run", "following"),
    [
        (None, datetime(2126, 2, 16, 3, 30, tzinfo=UTC)),
        (datetime(2126, 2, 15, 3, 30, tzinfo=UTC), datetime(2126, 2, 16, 3, 30, tzinfo=UTC)),
        (datetime(2126, 2, 13, 3, 30, tzinfo=UTC), datetime(2126, 2, 15, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_job_missed_while_away_runs_soon_after_the_start(
    room: Room, last_run: datetime | None, following: datetime
) -> None:
    # A hundred years ahead: the scheduler's own clock, the machine's, has nothing to run meanwhile.
    room.now = room.notebook.begun = datetime(2126, 2, 15, 12, 0, tzinfo=UTC)
    if last_run is not None:
        room.notebook.kept["backup"] = {"last_run": last_run.isoformat()}

    async def act() -> None:
        diary = room.diary()
        diary.start()
        next_run = datetime.fromisoformat(diary.job("backup")["next_run"])
        if last_run is None:
            assert (next_run.hour, next_run.minute) == (following.hour, following.minute)
        else:
            assert next_run == following
        diary.stop()

    in_a_loop(act)


class AtOnce(Trigger):
    """A trigger whose time is now, once."""

    def build(self, timezone: Any) -> Any:
        return DateTrigger(datetime.now(UTC), timezone=UTC)


def test_a_job_whose_time_has_come_runs(room: Room) -> None:
    async def act() -> None:
        done = asyncio.Event()

        async def run(context: JobContext) -> str:
            done.set()
            return await context.work.prune()

        entry = JobEntry(name="soon", summary="Now", trigger=AtOnce(every_seconds=60.0), run=run)
        diary = room.diary([entry])
        diary.start()
        await done.wait()
        diary.stop()

    in_a_loop(act)
    assert room.work.calls == ["prune"]
