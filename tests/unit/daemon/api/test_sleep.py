"""Sleep by hand over HTTP: wrong arguments are a 422, whatever the run is doing; the trainer's refusal a 409."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daemon.trainer_protocol import RunState
from tests.unit.daemon.api.reception import receiving

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.anyio


async def test_arguments_are_checked_before_the_trainer_is_asked(home: Home) -> None:
    async with (
        receiving(home, script={"conflict": "asleep already"}) as reception,
        reception.client() as client,
    ):
        run = (await client.post("/api/v1/runs", json={"preset": "tiny"})).json()
        live = await reception.supervisor.runs.find(run["id"])
        await reception.news.until(lambda: live.state is RunState.RUNNING and live.step > 1)
        path = f"/api/v1/runs/{run['id']}/actions"
        wrong: tuple[Any, ...] = (0, -1, 10_001, 1.5, True, "8", [])
        for steps in wrong:
            answer = await client.post(path, json={"action": "sleep", "arguments": {"steps": steps}})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["path"] == "arguments.steps"
        unknown = await client.post(path, json={"action": "sleep", "arguments": {"step": 8}})
        assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (422, "arguments.step")
        for arguments in ({}, {"steps": None}, {"steps": 1}, {"steps": 10_000}):
            refused = await client.post(path, json={"action": "sleep", "arguments": arguments})
            assert (refused.status_code, refused.json()["detail"]) == (409, "asleep already")
