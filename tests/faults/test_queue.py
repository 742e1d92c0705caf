"""A run is in one place at a time: learning, waiting, or ended; and a queue that ends reports it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from daemon.errors import ConflictError
from daemon.orders import Stop
from daemon.supervisor.requests import ResumeRequest, StartRequest
from daemon.trainer_protocol import RunState
from tests.unit.daemon.supervisor.scripted_trainer import write_script
from tests.unit.daemon.supervisor.stage import staged, start_request

if TYPE_CHECKING:
    from daemon.home import Home
    from daemon.supervisor.live_run import LiveRun
    from daemon.supervisor.supervisor import Supervisor

pytestmark = [pytest.mark.faults, pytest.mark.anyio]


def queued() -> StartRequest:
    return StartRequest(config=start_request().config, queue=True)


async def ended_run(home: Home, supervisor: Supervisor) -> LiveRun:
    write_script(home.root, finish_at_step=5)
    run = await supervisor.admission.start(start_request())
    await supervisor.ending.wait(run.id)
    write_script(home.root)
    return run


@pytest.mark.fault(
    "A run asked for twice",
    tried="resume with queue twice, at once and one after the other, and once more while it learns",
    happens="one session begins; the others are refused in one line",
)
async def test_a_run_waits_or_learns_once(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        run = await ended_run(home, supervisor)
        other = await supervisor.admission.start(start_request())
        request = ResumeRequest(checkpoint=str(run.checkpoint), queue=True)
        answers = await asyncio.gather(
            *(supervisor.admission.resume(request) for _ in range(3)), return_exceptions=True
        )
        assert [answer for answer in answers if answer is run] == [run]
        refusals = [str(answer) for answer in answers if isinstance(answer, ConflictError)]
        words = f"{run.id} waits in the queue already; take it out first: synapsed stop --run {run.id} --keep-serving"
        assert refusals == [words] * 2
        assert run.state is RunState.QUEUED

        await supervisor.steering.act(other.id, Stop())
        await news.until(lambda: run.state is RunState.RUNNING)
        assert run.session == 2
        newest = supervisor.checkpoints.catalogue.list(run.id)[0]
        with pytest.raises(ConflictError, match=f"{run.id} is running already; resume one of its older"):
            await supervisor.admission.resume(ResumeRequest(checkpoint=newest.name, queue=True))
        assert [session["number"] for session in sessions(supervisor, run)] == [1, 2]


@pytest.mark.fault(
    "Stopping with a queue",
    tried="the daemon stops while two runs wait",
    happens="they end as stopped, `left the queue: the daemon stopped`; the next start finds nothing to recover",
)
async def test_a_stop_empties_the_queue_in_words(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        old = await ended_run(home, supervisor)
        await supervisor.admission.start(start_request())
        waiting = await supervisor.admission.start(queued())
        again = await supervisor.admission.resume(ResumeRequest(checkpoint=str(old.checkpoint), queue=True))
        await supervisor.ending.close(grace_seconds=10.0)
        for run in (waiting, again):
            assert (run.state, run.reason) == (RunState.STOPPED, "left the queue: the daemon stopped")
            assert run.ended_at is not None
        supervisor.store.flush()
        assert supervisor.rows.unfinished() == []
        [session] = sessions(supervisor, again)
        assert session["end_state"] == "finished", "that of its last life, not touched"
        with pytest.raises(ConflictError, match="the daemon is stopping"):
            await supervisor.admission.start(queued())


@pytest.mark.fault(
    "Stopping with a queue",
    tried="the daemon is asked to stop just as a run starts",
    happens="no trainer is left behind, and the run shows that it did not start",
)
async def test_a_run_that_comes_too_late(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        starting = asyncio.ensure_future(supervisor.admission.start(start_request()))
        await asyncio.sleep(0)
        while not supervisor.runs.known():
            await asyncio.sleep(0)
        await supervisor.ending.close(grace_seconds=10.0)
        with pytest.raises(ConflictError, match="the daemon is stopping"):
            await starting
        [run] = supervisor.runs.known()
        assert (run.state, run.reason) == (RunState.STOPPED, "the daemon stopped before it began")
        assert supervisor.runs.active() == []
        assert news.kinds() == ["state_changed"]


def sessions(supervisor: Supervisor, run: LiveRun) -> list[dict[str, object]]:
    supervisor.store.flush()
    return supervisor.store.sessions(run.id)
