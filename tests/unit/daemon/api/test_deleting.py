"""DELETE /runs/{id}: typed, refused as the API does, published to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.orders import Stop
from tests.unit.daemon.api.reception import receiving
from tests.unit.daemon.supervisor.stage import start_request

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.anyio


async def test_a_run_is_deleted_by_its_typed_name_alone(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        supervisor = reception.supervisor
        run = await supervisor.admission.start(start_request())
        path = f"/api/v1/runs/{run.id}"
        assert (await client.delete(path)).status_code == 422
        assert (await client.delete(path, params={"confirm": "nonsense"})).status_code == 422
        alive = await client.delete(path, params={"confirm": run.id})
        assert alive.status_code == 409
        assert "stop it first" in alive.json()["detail"]
        await supervisor.steering.act(run.id, Stop())
        await supervisor.ending.wait(run.id)
        gone = await client.delete(path, params={"confirm": run.name})
        assert gone.status_code == 200, gone.text
        assert gone.json()["run"] == run.id
        assert (await client.get(path)).status_code == 404
        assert (await client.delete(path, params={"confirm": run.id})).status_code == 404
        assert (await client.get("/api/v1/runs")).json()["items"] == []
        events = (await client.get("/api/v1/events", params={"kind": "run_deleted"})).json()["items"]
        assert [event["data"]["run"] for event in events] == [run.id]
