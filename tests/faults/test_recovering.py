"""The daemon died and another begins while a trainer of the first still saves: nothing is shown or begun too early."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from daemon.api import settling
from daemon.api.asgi_app import allowed_hosts, create_app
from daemon.checkpoint.run_lock import RunLock
from daemon.config.setting_upgrades import config_to_dict
from daemon.store.store import Store
from daemon.supervisor.live_run import LiveRun
from daemon.supervisor.run_rows import RunRows
from daemon.trainer_protocol import RunState
from tests.unit.daemon.api.reception import PORT, Reception, receiving
from tests.unit.daemon.supervisor.stage import start_request
from tests.unit.daemon.supervisor.test_daemon import daemon_running

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.faults


def left_behind(store: Store, run_id: str, state: RunState) -> LiveRun:
    """A run as a daemon leaves it that is killed."""
    config = config_to_dict(start_request().config)
    run = LiveRun(id=run_id, name=run_id, config=config, created_at=datetime.now(UTC), state=state, session=1)
    rows = RunRows(store, monotonic=time.monotonic)
    rows.create(run)
    rows.save(run)
    store.flush()
    return run


@pytest.mark.fault(
    "A daemon that follows one that died",
    tried="it is asked before it has read its runs, and while a trainer of the first still saves one",
    happens="health answers at once; reads wait until they are right; a start waits, or gets a 503 with Retry-After",
)
@pytest.mark.anyio
async def test_nothing_is_shown_or_begun_too_early(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PATIENCE_SECONDS", 0.05)
    async with receiving(home) as reception:
        supervisor = reception.supervisor
        for name, state in (
            ("r-orphan", RunState.RUNNING),
            ("r-free", RunState.PAUSED),
            ("r-queued", RunState.QUEUED),
        ):
            left_behind(supervisor.store, name, state)
        orphaned = supervisor.orphaned
        context = dataclasses.replace(reception.context, orphaned=orphaned)
        app = create_app(context, hosts=allowed_hosts("127.0.0.1", PORT))
        async with Reception(app, context, supervisor, reception.news).client() as client:
            assert (await client.get("/api/v1/health")).status_code == 200
            for early in (await client.get("/api/v1/runs"), await client.post("/api/v1/runs", json={})):
                assert (early.status_code, early.headers["Retry-After"]) == (503, "5")
                assert "a trainer of the one before it, which still saves" in early.json()["detail"]

            with RunLock(home.root, "r-orphan"):
                monkeypatch.setattr(settling, "PATIENCE_SECONDS", 20.0)
                waiting = asyncio.ensure_future(client.get("/api/v1/runs"))
                recovering = asyncio.ensure_future(orphaned.close(grace_seconds=60.0))
                shown = {run["id"]: run for run in (await waiting).json()["items"]}
                assert shown["r-orphan"]["state"] == "stopping"
                assert "still saves" in shown["r-orphan"]["reason"]
                assert (shown["r-free"]["state"], shown["r-free"]["reason"]) == ("stopped", "the daemon died")
                assert shown["r-queued"]["reason"] == "left the queue: the daemon died"
                monkeypatch.setattr(settling, "PATIENCE_SECONDS", 0.05)
                assert (await client.post("/api/v1/runs", json={"preset": "tiny"})).status_code == 503
                monkeypatch.setattr(settling, "PATIENCE_SECONDS", 20.0)
                starting = asyncio.ensure_future(client.post("/api/v1/runs", json={"preset": "tiny"}))
                await asyncio.sleep(0)
                assert not orphaned.done.is_set()
            assert (await starting).status_code == 201
            await recovering
            [orphan] = [run for run in reception.supervisor.runs.known() if run.id == "r-orphan"]
            assert (orphan.state, orphan.reason) == (RunState.STOPPED, "the daemon died")


@pytest.mark.fault(
    "A daemon that follows one that died",
    tried="it is stopped while it waits for a trainer of the first",
    happens="it ends at once; the next daemon closes those runs",
)
def test_it_can_be_ended_meanwhile(home: Home) -> None:
    store = Store.open(home.database)
    left_behind(store, "r-orphan", RunState.RUNNING)
    store.close()
    with RunLock(home.root, "r-orphan"), daemon_running(home) as daemon:
        daemon.until(lambda line: "still saves" in str(line.get("reason")))
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 0
        assert not [line for line in daemon.lines if line.get("state") == "stopped"]
    with daemon_running(home) as daemon:
        daemon.until(lambda line: line.get("state") == "stopped" and line["reason"] == "the daemon died")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 0
