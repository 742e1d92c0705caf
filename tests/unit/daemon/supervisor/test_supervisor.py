from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from daemon.errors import ConflictError, NoCheckpointError, NotFoundError, TornCheckpointError, UsageError
from daemon.orders import Continue, Generate, Grow, Pause, SaveCheckpoint, Stop
from daemon.supervisor.children.restart import RestartPolicy
from daemon.supervisor.requests import ResumeRequest, StartRequest
from daemon.trainer_protocol import RunState
from tests.unit.daemon.supervisor.stage import quick_life, staged, start_request

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.anyio


async def test_a_run_learns_and_stops_with_a_last_checkpoint(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.step >= 12)
        operation = await supervisor.steering.act(run.id, Stop())
        assert run.state is RunState.STOPPING
        ended = await supervisor.ending.wait(run.id)

        assert ended.state is RunState.STOPPED
        await news.until(lambda: operation.state == "done")
        assert operation.result["checkpoint"] == ended.checkpoint
        assert (home.checkpoints / str(ended.checkpoint)).is_dir()
        assert ended.latest["bpc"] == pytest.approx(8.0 / ended.step)
        assert ended.latest["replay_bpc"] is None, "NaN is not available"
        assert ended.readings["phi"]["reason"] == "not implemented"
        states = [event["data"]["after"] for event in news.events if event["kind"] == "state_changed"]
        assert states == ["starting", "running", "stopping", "stopped"], "each published once"

        supervisor.store.flush()
        stored = supervisor.rows.load(run.id)
        assert stored is not None
        assert stored.view() == ended.view()
        series = supervisor.store.series(run.id, ["bpc"])
        assert series is not None
        assert series["metrics"]["bpc"]["step"][-1] == ended.step
        assert supervisor.store.evaluations(run.id).items[0]["bpc"] == 3.5
        assert [seq["seq"] for seq in news.events] == sorted(seq["seq"] for seq in news.events)


async def test_the_run_is_named_by_its_moment_and_keeps_its_configuration(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        run = await supervisor.admission.start(start_request(**{"stream.rows": 8}))
        assert run.id.startswith(f"r-{run.created_at:%Y%m%d-%H%M%S}-")
        assert run.config["stream"]["rows"] == 8
        assert (await supervisor.runs.current()) is run


async def test_a_second_run_is_a_conflict_unless_it_queues(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        first = await supervisor.admission.start(start_request())
        with pytest.raises(ConflictError, match=first.id):
            await supervisor.admission.start(start_request())
        second = await supervisor.admission.start(StartRequest(config=start_request().config, queue=True))
        third = await supervisor.admission.start(StartRequest(config=start_request().config, queue=True))
        assert second.state is RunState.QUEUED
        await supervisor.steering.act(third.id, Stop())
        assert third.state is RunState.STOPPED
        await news.until(lambda: first.state is RunState.RUNNING)
        await supervisor.steering.act(first.id, Stop())
        await news.until(lambda: second.state is RunState.RUNNING)
        assert first.state is RunState.STOPPED


async def test_pause_and_continue_and_what_does_not_fit(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING)
        with pytest.raises(ConflictError, match="not paused"):
            await supervisor.steering.act(run.id, Continue())
        await supervisor.steering.act(run.id, Pause())
        await news.until(lambda: run.state is RunState.PAUSED)
        with pytest.raises(ConflictError, match="already"):
            await supervisor.steering.act(run.id, Pause())
        await supervisor.steering.act(run.id, Continue())
        await news.until(lambda: run.state is RunState.RUNNING)
        with pytest.raises(ConflictError, match="not available for this brain"):
            await supervisor.steering.act(run.id, Grow())
        with pytest.raises(NotFoundError, match="r-none"):
            await supervisor.steering.act("r-none", Pause())


async def test_feeding_and_asking(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        fed = await supervisor.steering.feed(run.id, "hello")
        with pytest.raises(UsageError, match="learns no labels"):
            await supervisor.steering.feed(run.id, "hello", label="greeting")
        answer = await supervisor.steering.ask(
            run.id, Generate(prompt="To be", max_bytes=4, temperature=0.5, top_p=1.0)
        )
        assert answer["text"] == "To be!"
        assert answer["step"] >= 0
        await news.until(lambda: fed.state == "done")
        await news.until(lambda: "experience_pushed" in news.kinds())
        assert all(operation["action"] != "generate" for operation in news.operations)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"crash_at_step": 7, "sessions": 1}, "exit code 3: RuntimeError: as scripted"),
        ({"segfault_at_step": 7, "sessions": 1}, "SIGSEGV"),
    ],
)
async def test_a_dead_trainer_is_followed_by_another_from_the_last_checkpoint(
    home: Home, script: dict[str, object], words: str
) -> None:
    async with staged(home, script=script) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: "trainer_lost" in news.kinds())
        await news.until(lambda: run.session == 2 and run.state is RunState.RUNNING and run.step >= 7)
        lost = next(event for event in news.events if event["kind"] == "trainer_lost")
        assert words in lost["message"]
        supervisor.store.flush()
        sessions = supervisor.store.sessions(run.id)
        assert [one["number"] for one in sessions] == [1, 2]
        assert sessions[0]["end_state"] == "lost"


async def test_a_killed_trainer_fails_its_commands_in_one_line(home: Home) -> None:
    async with staged(home, script={"ignores_orders": True, "sessions": 1}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING)
        operation = await supervisor.steering.act(run.id, SaveCheckpoint())
        pid = supervisor.runs.lives[run.id].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await news.until(lambda: operation.state == "failed")
        assert operation.error == "the trainer was lost (killed by SIGKILL, perhaps out of memory)"
        supervisor.ending.kill()


async def test_too_many_deaths_end_in_crashed_with_the_reason(home: Home) -> None:
    life = quick_life(restart=lambda: RestartPolicy(first_seconds=0.01, longest_seconds=0.01, max_restarts=2))
    async with staged(home, life=life, script={"crash_at_step": 3}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        ended = await supervisor.ending.wait(run.id)
        assert ended.state is RunState.CRASHED
        assert ended.session == 3
        assert "as scripted" in str(ended.reason)
        lost = [event for event in news.events if event["kind"] == "trainer_lost"]
        assert [event["data"]["restart_seconds"] is None for event in lost] == [False, False, True]
        with pytest.raises(ConflictError, match="crashed"):
            await supervisor.steering.act(run.id, Pause())


async def test_a_mistake_of_the_users_is_not_tried_again(home: Home) -> None:
    async with staged(home, script={"refuse": "there is nothing to read"}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        ended = await supervisor.ending.wait(run.id)
        assert (ended.state, ended.reason, ended.session) == (RunState.CRASHED, "there is nothing to read", 1)
        assert "trainer_lost" not in news.kinds()


async def test_a_silent_trainer_is_killed(home: Home) -> None:
    life = quick_life(silence_seconds=1.0)
    async with staged(home, life=life, script={"hang_at_step": 3, "sessions": 1}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: "trainer_lost" in news.kinds())
        assert "silent for" in news.events[news.kinds().index("trainer_lost")]["message"]
        await news.until(lambda: run.session == 2 and run.step >= 3)


async def test_a_run_that_reaches_its_limit_is_finished(home: Home) -> None:
    async with staged(home, script={"finish_at_step": 5}) as (supervisor, _):
        run = await supervisor.admission.start(start_request())
        ended = await supervisor.ending.wait(run.id)
        assert (ended.state, ended.step) == (RunState.FINISHED, 5)


async def test_the_newest_checkpoint_continues_the_run_and_an_older_one_forks(home: Home) -> None:
    async with staged(home, script={"finish_at_step": 5}) as (supervisor, _):
        run = await supervisor.admission.start(start_request())
        await supervisor.ending.wait(run.id)
        newest, oldest = supervisor.checkpoints.catalogue.list(run.id)
        (home.root / "script.json").write_text('{"finish_at_step": 9}')

        again = await supervisor.admission.resume(ResumeRequest(checkpoint="latest", steps=100))
        assert again.id == run.id
        assert again.config["limits"]["steps"] == 100
        ended = await supervisor.ending.wait(run.id)
        assert (ended.session, ended.step, ended.state) == (2, 9, RunState.FINISHED)
        assert newest.name != oldest.name

        fork = await supervisor.admission.resume(
            ResumeRequest(checkpoint=oldest.name, overrides={"stream.rows": 4})
        )
        assert fork.id != run.id
        assert fork.parent == {"run": run.id, "step": 0}
        assert fork.config["stream"]["rows"] == 4
        await supervisor.ending.wait(fork.id)

        (home.root / "script.json").write_text('{"finish_at_step": 12}')
        asked = await supervisor.admission.resume(
            ResumeRequest(checkpoint=supervisor.checkpoints.catalogue.list(run.id)[0].name, fork=True)
        )
        assert asked.parent == {"run": run.id, "step": 9}
        await supervisor.ending.wait(asked.id)
        supervisor.store.flush()
        views, _ = supervisor.rows.views(None, 10)
        assert [view["id"] for view in views] == [asked.id, fork.id, run.id]


async def test_a_checkpoint_that_is_not_there(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        with pytest.raises(NotFoundError):
            await supervisor.admission.resume(ResumeRequest(checkpoint="../../etc", by_id_only=True))
        with pytest.raises(UsageError):
            await supervisor.admission.start(start_request(**{"stream.data": [str(home.root / "nothing")]}))


async def test_a_damaged_manifest_is_a_clear_error(home: Home) -> None:
    async with staged(home, script={"finish_at_step": 5}) as (supervisor, _):
        run = await supervisor.admission.start(start_request())
        await supervisor.ending.wait(run.id)
        info = supervisor.checkpoints.catalogue.list(run.id)[0]
        (info.path / "MANIFEST.json").write_text("{}")
        with pytest.raises(TornCheckpointError, match=info.name):
            await supervisor.admission.resume(ResumeRequest(checkpoint=info.name))
        assert (home.checkpoints / f"damaged-{info.name}").is_dir()


async def test_when_all_are_damaged_all_are_set_aside_and_it_is_reported_twice_alike(home: Home) -> None:
    async with staged(home, script={"finish_at_step": 5}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await supervisor.ending.wait(run.id)
        names = sorted(path.name for path in home.checkpoints.iterdir())
        for name in names:
            with (home.checkpoints / name / "state.json").open("ab") as state:
                state.write(b" ")
        for _ in range(2):
            with pytest.raises(NoCheckpointError, match=r"kept as damaged-.*synapsed start"):
                await supervisor.admission.resume(ResumeRequest(checkpoint="latest"))
        moved = [e["data"]["moved_to"] for e in news.events if e["kind"] == "checkpoint_set_aside"]
        assert sorted(moved) == [f"damaged-{name}" for name in names]
        assert sorted(path.name for path in home.checkpoints.iterdir()) == sorted(moved)


async def test_going_back_behind_a_damaged_checkpoint_is_no_fork(home: Home) -> None:
    async with staged(home, script={"finish_at_step": 5}) as (supervisor, _):
        run = await supervisor.admission.start(start_request())
        await supervisor.ending.wait(run.id)
        newest, older, *_ = supervisor.checkpoints.catalogue.list(run.id)
        with (newest.path / "state.json").open("ab") as state:
            state.write(b" ")
        found = supervisor.checkpoints.find("latest")
        assert (found.name, found.step, found.newest) == (older.name, older.manifest.step, True)
        assert found.path == newest.path  # where the trainer begins to look, and what it sets aside
        (home.root / "script.json").write_text('{"finish_at_step": 9}')
        resumed = await supervisor.admission.resume(ResumeRequest(checkpoint="latest"))
        assert (resumed.id, resumed.session, resumed.parent) == (run.id, 2, None)
        await supervisor.ending.wait(run.id)


async def test_closing_kills_a_trainer_that_will_not_stop(home: Home) -> None:
    async with staged(home, script={"ignores_orders": True}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING)
        pid = supervisor.runs.lives[run.id].pid
        assert pid is not None
        async with asyncio.timeout(10):
            await supervisor.ending.close(grace_seconds=0.1)
        assert run.state is RunState.STOPPED
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_stopping_between_two_lives_ends_the_run_at_once(home: Home) -> None:
    life = quick_life(restart=lambda: RestartPolicy(first_seconds=60.0))
    async with staged(home, life=life, script={"crash_at_step": 3}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: "trainer_lost" in news.kinds())
        with pytest.raises(ConflictError, match="no trainer at this moment"):
            await supervisor.steering.feed(run.id, "hello")
        operation = await supervisor.steering.act(run.id, Stop())
        assert (run.state, operation.state) == (RunState.STOPPED, "done")
