"""An order to stop is carried out, refused with a reason, or ended with a word on what is lost; never forgotten."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from daemon.orders import SaveCheckpoint, Stop, StopForGood
from daemon.supervisor.children.restart import RestartPolicy
from daemon.trainer_protocol import RunState
from tests.still_loop import StillLoop
from tests.trainer_process import spawn, tiny_order
from tests.unit.daemon.supervisor.scripted_trainer import FULL
from tests.unit.daemon.supervisor.stage import quick_life, staged, start_request

if TYPE_CHECKING:
    from daemon.home import Home
    from daemon.supervisor.supervisor import Supervisor
    from daemon.trainer.life.ending import Ending

pytestmark = [pytest.mark.faults, pytest.mark.anyio]

FIRST = "continuous_1700000001"


def freeze(supervisor: Supervisor, run: str) -> int:
    pid = supervisor.runs.lives[run].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.fault(
    "Stopping in trouble",
    tried="the trainer is frozen, asked to stop twice, and killed before it does",
    happens="no other trainer starts; the run has stopped, both orders are answered, the lost steps counted",
)
async def test_a_stop_outlives_the_trainer_that_should_obey_it(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.step > 10)
        pid = freeze(supervisor, run.id)
        asked = await supervisor.steering.act(run.id, SaveCheckpoint())
        first = await supervisor.steering.act(run.id, Stop())
        again = await supervisor.steering.act(run.id, Stop())
        assert again is first, "a further order is the one on its way"
        os.kill(pid, signal.SIGKILL)
        ended = await supervisor.ending.wait(run.id)
        assert (ended.state, ended.session) == (RunState.STOPPED, 1)
        lost = f"the last checkpoint is {FIRST}; the {run.step:,} steps since then are lost"
        assert ended.reason is not None
        assert ended.reason.startswith("the trainer died while stopping: killed by SIGKILL")
        assert ended.reason.endswith(lost)
        assert (first.state, first.result["checkpoint"]) == ("done", FIRST)
        assert first.result["not_saved"] == ended.reason
        assert asked.state == "failed"
        assert "the trainer was lost" in str(asked.error)


@pytest.mark.fault(
    "Stopping in trouble",
    tried="a frozen trainer is asked to stop, then the daemon",
    happens="the daemon ends within its grace time and reports what is lost",
)
async def test_the_daemon_does_not_wait_for_ever(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.step > 10)
        freeze(supervisor, run.id)
        order = await supervisor.steering.act(run.id, Stop())
        await supervisor.ending.close(grace_seconds=0.2)
        assert run.state is RunState.STOPPED
        assert "steps since then are lost" in str(run.reason)
        assert order.state == "done"


@pytest.mark.fault(
    "Stopping in trouble",
    tried="the disk is full, so that the last checkpoint cannot be saved",
    happens="stop is refused, as pause is: the run continues, and the answer names what --force would lose",
)
async def test_a_stop_that_cannot_save_is_refused(home: Home) -> None:
    life = quick_life(restart=lambda: RestartPolicy(first_seconds=0.01, longest_seconds=0.01))
    async with staged(home, life=life, script={"disk_full": True}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.step > 10)
        order = await supervisor.steering.act(run.id, Stop())
        await order.finished.wait()
        assert order.state == "failed"
        assert str(order.error).startswith(f"{FULL}. The run continues; to end it anyway: ")
        assert f"synapsed stop --force (the last checkpoint is {FIRST}; the " in str(order.error)
        assert run.state is RunState.RUNNING
        step = run.step
        await news.until(lambda: run.step > step)
        pid = supervisor.runs.lives[run.id].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)  # it continues normally: its next death is one like any other
        await news.until(lambda: run.session == 2 and run.state is RunState.RUNNING)

        await news.until(lambda: run.step > 3)
        forced = await supervisor.steering.act(run.id, Stop(force=True))
        ended = await supervisor.ending.wait(run.id)
        assert forced.state == "done"
        assert (ended.state, ended.checkpoint, ended.checkpoint_step) == (RunState.STOPPED, FIRST, 0)
        assert (
            ended.reason
            == f"{FULL}; the last checkpoint is {FIRST}; the {ended.step} steps since then are lost"
        )


@pytest.mark.fault(
    "Stopping in trouble",
    tried="the disk is full and the daemon is asked to end",
    happens="it tries to save within its grace time, ends, and reports what is lost; no old checkpoint is called final",
)
async def test_the_end_of_the_daemon_reports_what_is_lost(home: Home) -> None:
    async with staged(home, script={"disk_full": True}) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.step > 10)
        await supervisor.ending.close(grace_seconds=5.0, reason="SIGTERM")
        assert run.state is RunState.STOPPED
        assert str(run.reason).startswith(f"{FULL}; the last checkpoint is {FIRST}; the ")
        assert "checkpoint_saved" not in news.kinds()[news.kinds().index("checkpoint_saved") + 1 :]


@pytest.mark.fault(
    "Stopping in trouble",
    tried="a real trainer whose checkpoint folder is gone",
    happens="it refuses and keeps learning; given time it tries again; forced, it ends with its first checkpoint",
)
def test_the_trainer_refuses_tries_again_and_obeys(home: Home) -> None:
    trainer = spawn(tiny_order(home))
    try:
        trainer.receive_until(lambda it: it.step > 2)
        home.checkpoints.rename(home.root / "kept")
        home.checkpoints.write_text("in the way")
        refusal = trainer.order("stop")
        assert (refusal.ok, refusal.conflict, refusal.result) == (False, True, {"state": "running"})
        assert str(refusal.error).startswith("The checkpoint could not be saved")
        step = trainer.step
        trainer.receive_until(lambda it: it.step > step)
        states = [event["data"]["after"] for event in trainer.events if event["kind"] == "state_changed"]
        assert states == ["running"], "a word of stopping that comes late would be believed"

        before = trainer.kinds().count("checkpoint_failed")
        trainer.give(StopForGood(reason="the daemon stops", within_seconds=2.5))
        goodbye = trainer.finish()
        assert trainer.kinds().count("checkpoint_failed") - before == 2
        reported = [event["message"] for event in trainer.events if event["kind"] == "checkpoint_failed"][-1]
        assert reported.startswith("Last checkpoint not saved")
        assert "trying again in" not in reported, (
            "the writer's own back-off is not reported for a run that ends"
        )
        [first] = (path.name for path in (home.root / "kept").iterdir())
        assert (goodbye.state, goodbye.checkpoint) == ("stopped", first)
        assert str(goodbye.error).startswith("The checkpoint could not be saved")
    finally:
        trainer.kill()


@pytest.mark.fault(
    "Stopping in trouble",
    tried="a run reaches its limit, and its last checkpoint cannot be saved",
    happens="it halts until it can be saved, then finishes with a final checkpoint",
)
def test_a_run_at_its_limit_is_saved_before_it_has_finished(home: Home) -> None:
    loop = StillLoop(home, limits__steps=2)
    aside = home.root / "kept"
    home.checkpoints.rename(aside)
    home.checkpoints.write_text("in the way")
    printed: list[str] = []

    def obey() -> Ending | None:
        if loop.run_state is RunState.PAUSED:
            printed.append(f"paused at {loop.step}")
            if len(printed) == 2:
                home.checkpoints.unlink()
                aside.rename(home.checkpoints)
            loop.parts.pauses.go_on("there is room")
        return None

    goodbye = loop.run(obey)
    assert printed == ["paused at 2", "paused at 2"]
    assert (goodbye.state, goodbye.step, goodbye.error) == ("finished", 2, None)
    events = loop.events()
    final = next(event for event in reversed(events) if event["kind"] == "checkpoint_saved")
    assert (final["data"]["checkpoint"], final["data"]["reason"]) == (goodbye.checkpoint, "final")
    assert [event["kind"] for event in events].count("limit_reached") == 1
    [paused, *_] = [event["data"]["reason"] for event in events if event["data"].get("after") == "paused"]
    assert paused.startswith("limit reached: 2 steps, but not saved: The checkpoint could not be saved")
    loop.ours.close()
