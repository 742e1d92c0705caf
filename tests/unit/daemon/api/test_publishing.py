"""One client of the live feed that fails, and those beside it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from daemon.api.feed import Hub
from daemon.api.mailbox import Mailbox

pytestmark = pytest.mark.anyio


class Broken(Mailbox):
    def put(self, frame: dict[str, Any]) -> None:
        raise ValueError("a bug")


async def test_a_mailbox_that_fails_closes_its_client_alone() -> None:
    nothing: Any = None
    hub = Hub(nothing, nothing, nothing, schedule=nothing)
    broken, sound = Broken(monotonic=time.monotonic), Mailbox(monotonic=time.monotonic)
    hub._clients = {broken: None, sound: None}
    hub.on_event({"seq": 1, "run": None})
    assert broken.closed_with is not None
    assert await sound.take() == {"type": "event", "seq": 1, "run": None}
