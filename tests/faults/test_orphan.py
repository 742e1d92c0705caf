"""A trainer of a killed daemon still holds its run: the next one waits, says so, and continues from what it saves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from daemon.checkpoint.run_lock import RunLock
from daemon.orders import Stop
from daemon.trainer_protocol import Command, Report
from tests.trainer_process import newest, spawn, tiny_order

if TYPE_CHECKING:
    from daemon.home import Home
    from tests.trainer_process import TrainerProcess

pytestmark = pytest.mark.faults
RUN = "r-test"


def waits(trainer: TrainerProcess) -> None:
    """Read the trainer's messages until it reports whom it waits for."""
    while True:
        message = trainer.receive()
        if isinstance(message, Report) and "still holds it" in str(message.degraded):
            return


@pytest.mark.fault(
    "Orphaned trainers",
    tried="a run is resumed while the trainer of a killed daemon still saves it",
    happens="the new trainer reports what it waits for, then continues from what the old one saved last",
)
def test_what_the_orphan_saves_meanwhile_is_gone_on_from(home: Home) -> None:
    orphan = spawn(tiny_order(home))
    orphan.receive_until(lambda seen: seen.step >= 3)
    known = orphan.order("checkpoint").result["checkpoint"]
    trainer = spawn(
        tiny_order(home, session=2, checkpoint=home.checkpoints / known, newest=True, limits__steps=2)
    )
    waits(trainer)
    orphan.connection.close()  # its daemon is gone: it saves and ends
    orphan.process.join(timeout=60.0)
    last = newest(home.checkpoints)
    assert last.name != known
    saved = json.loads((last / "state.json").read_text())["step"]
    goodbye = trainer.finish()
    assert trainer.ready is not None
    assert (trainer.ready.checkpoint, trainer.ready.step) == (last.name, saved)
    assert (goodbye.state, goodbye.step) == ("finished", saved + 2)


@pytest.mark.fault(
    "Orphaned trainers",
    tried="a stop arrives while a trainer waits for one that keeps the lock",
    happens="it is obeyed at once; the run's state is unchanged",
)
def test_a_stop_is_obeyed_while_it_waits(home: Home) -> None:
    with RunLock(home.root, RUN):
        trainer = spawn(tiny_order(home))
        waits(trainer)
        trainer.connection.send(Command(id="c1", order=Stop()))
        goodbye = trainer.finish()
    assert (goodbye.state, goodbye.begun, goodbye.error) == ("stopped", False, None)
    assert not list(home.checkpoints.iterdir())
