"""SIGTERM to the whole group, as a service manager sends it, while a trainer still loads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.trainer_process import spawn, tiny_order

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.faults


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM here")
@pytest.mark.fault(
    "Stopping",
    tried="SIGTERM reaches a trainer while its process boots, imports torch or opens its data",
    happens="it ends without taking a step, and the run is stopped, not lost",
)
def test_a_trainer_that_loads_ends_quietly(home: Home) -> None:
    trainer = spawn(tiny_order(home), method="spawn")
    try:
        trainer.process.terminate()
        goodbye = trainer.finish()
        assert (goodbye.state, goodbye.begun, goodbye.error) == ("stopped", False, None)
        assert trainer.process.exitcode == 0
    finally:
        trainer.kill()
