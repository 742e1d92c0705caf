"""Which signals end the daemon, and which end it now."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

import daemon.supervisor.os_signals
from daemon.supervisor.os_signals import ending

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here"),
]


async def received(monkeypatch: pytest.MonkeyPatch, *sent: signal.Signals) -> list[str]:
    """What these signals come to, far apart from each other."""
    monkeypatch.setattr(daemon.supervisor.os_signals, "ECHO_SECONDS", 0.0)
    calls: list[str] = []
    with ending(calls.append, lambda: calls.append("now")):
        for number in sent:
            os.kill(os.getpid(), number)
            done = asyncio.Event()
            asyncio.get_running_loop().call_soon(done.set)  # behind what the handler has put there
            await done.wait()
    return calls


async def test_a_terminal_that_closes_asks_once_however_often_that_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await received(monkeypatch, signal.SIGHUP, signal.SIGHUP, signal.SIGHUP) == ["SIGHUP"]
    assert await received(monkeypatch, signal.SIGTERM, signal.SIGHUP) == ["SIGTERM"]


async def test_a_person_who_asks_twice_means_now(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await received(monkeypatch, signal.SIGINT, signal.SIGINT) == ["SIGINT", "now"]
    assert await received(monkeypatch, signal.SIGHUP, signal.SIGINT) == ["SIGHUP", "now"]


async def test_nohup_stays_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert await received(monkeypatch, signal.SIGHUP) == []
    finally:
        signal.signal(signal.SIGHUP, before)
