"""A machine with no time to spare: a trainer that is slow is not one that hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.orders import Stop
from daemon.trainer_protocol import RunState
from tests.unit.daemon.supervisor.stage import quick_life, staged, start_request

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.anyio]

WORK = {"work_at_step": 3, "work_seconds": 3.0}


@pytest.mark.fault(
    "Starved",
    tried="a trainer on a busy machine works through one step for longer than a silence may last, while a stop waits",
    happens="it is called slow, as an event and as the run's `degraded` flag, and left alone; the stop saves its last "
    "step",
)
async def test_a_starved_trainer_is_not_killed(home: Home) -> None:
    life = quick_life(silence_seconds=1.0, busy_factor=1000)
    async with staged(home, life=life, script=WORK) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: "trainer_slow" in news.kinds())
        assert str(run.degraded).startswith("The trainer is slow")
        await supervisor.steering.act(run.id, Stop())
        ended = await supervisor.ending.wait(run.id)
        assert (ended.state, ended.session, ended.degraded) == (RunState.STOPPED, 1, None)
        assert ended.checkpoint_step == ended.step >= 3
        assert "trainer_lost" not in news.kinds()


@pytest.mark.fault(
    "Starved",
    tried="a trainer neither sends anything nor uses the processor",
    happens="it is killed after two minutes and the next one continues from the newest checkpoint; one that uses the "
    "processor without a word is killed after 16 minutes",
)
async def test_an_idle_silence_is_a_hang(home: Home) -> None:
    script = {"hang_at_step": 3, "sessions": 1}
    async with staged(home, life=quick_life(silence_seconds=1.0), script=script) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: "trainer_lost" in news.kinds())
        assert "silent for 1 s, and idle" in news.events[news.kinds().index("trainer_lost")]["message"]
        await news.until(lambda: run.session == 2 and run.step >= 3)
