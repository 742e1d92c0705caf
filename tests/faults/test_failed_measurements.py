"""A vital sign whose computation breaks is reported; a dash is for what is not available."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from tests.still_loop import StillLoop

if TYPE_CHECKING:
    from daemon.home import Home

ERRORS = {
    "measurement_failed": RuntimeError("CUDA error: an illegal memory access was encountered"),
    "measurement_out_of_memory": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
}


@pytest.mark.fault(
    "A measurement that fails",
    tried="the device refuses, or runs out of memory, whenever the brain's modules are measured",
    happens="each vital sign reports it once, as an event with the reason, and learning continues",
)
@pytest.mark.parametrize("kind", ERRORS)
def test_it_is_an_event_and_learning_continues(
    home: Home, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    loop = StillLoop(home, vitals__every_steps=1, vitals__budget_share=1.0)

    def refuse(*_: object, **__: object) -> None:
        raise ERRORS[kind]

    with monkeypatch.context() as patched:
        patched.setattr(loop.parts.brain, "observe", refuse)
        while loop.parts.watch.points()["vitals_ticks"] == 0 or loop.step < 6:
            loop.learn()
    while loop.parts.watch._broken:  # until they are measured again
        loop.learn()
    printed = [event for event in loop.events() if event["kind"].startswith("measurement_")]
    loop.let_go()
    assert loop.step >= 6
    assert {event["kind"] for event in printed} == {kind}
    assert sorted(event["data"]["sign"] for event in printed) == ["integration", "phi"]
    assert all(str(ERRORS[kind]) in event["message"] for event in printed)
