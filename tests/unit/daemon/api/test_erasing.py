"""Forgetting over HTTP: one thing at a time, a time becomes a step, the trainer's refusal a 409."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daemon.trainer_protocol import RunState
from tests.unit.daemon.api.reception import receiving

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.anyio


async def test_one_thing_is_asked_of_the_trainer(home: Home) -> None:
    async with (
        receiving(home, script={"conflict": "no source is called x"}) as reception,
        reception.client() as client,
    ):
        run = (await client.post("/api/v1/runs", json={"preset": "tiny"})).json()
        live = await reception.supervisor.runs.find(run["id"])
        await reception.news.until(lambda: live.state is RunState.RUNNING and live.step > 1)
        path = f"/api/v1/runs/{run['id']}/forget"
        wrong: tuple[Any, ...] = (
            {},
            {"text": "a", "source": "b"},
            {"text": ""},
            {"text": "é" * 600_000},
            {"since": "soon"},
            {"since": 12},
            {"source": "a", "dry_run": 1},
            {"sauce": "a"},
        )
        for body in wrong:
            answer = await client.post(path, json=body)
            assert answer.status_code == 422, body
        for body, detail in (
            ({"source": ""}, "source: is empty"),
            ({"sauce": "a"}, "sauce: is not known here"),
        ):
            assert (await client.post(path, json=body)).json()["detail"] == detail
        for body in ({"source": "x"}, {"text": "a long passage"}, {"since": "2h"}, {"since": "12"}):
            refused = await client.post(path, json=body)
            assert (refused.status_code, refused.json()["detail"]) == (409, "no source is called x")
        step = await client.get(f"/api/v1/runs/{run['id']}/step-since", params={"since": "12"})
        assert step.json() == {"step": 12}
        assert (await client.get("/api/v1/runs/none/step-since", params={"since": "12"})).status_code == 404
