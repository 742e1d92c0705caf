"""Growth over HTTP: the view is the trainer's, a refusal is a 409, a bad share a 422."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daemon.trainer_protocol import RunState
from tests.unit.daemon.api.reception import receiving

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.anyio

VIEW: dict[str, Any] = {
    "enabled": False,
    "fraction": 0.1,
    "max_neurons": 100_000,
    "num_neurons": 176,
    "num_parameters": 9000,
    "modules": ["blocks.0.mixer", "blocks.0.mlp"],
    "cooldown_steps": 2000,
    "last_growth_step": None,
    "trial": None,
    "sites": [
        {
            "site": "self_model",
            "units": 16,
            "born_units": 16,
            "max_units": 64,
            "eligible": True,
            "reason": None,
            "last_growth_step": None,
            "cooldown_steps": 2000,
            "signals": None,
            "preview": {"newborns": 2, "units": 18, "num_neurons": 178, "num_parameters": 9128},
            "deeper": {"newborns": 0, "reason": "it is not in a block"},
            "expert": {"newborns": 0, "parameters": 0, "reason": "experts stand beside the MLP of a block"},
        }
    ],
    "column": {
        "newborns": 160,
        "parameters": 30_000,
        "width": 16,
        "freezes": 8000,
        "reason": None,
        "num_neurons": 336,
        "num_parameters": 31_000,
    },
    "history": [],
}


async def test_sites_are_shown_and_one_is_grown(home: Home) -> None:
    script = {"growth": VIEW, "grown": {"units_before": 16, "units_after": 18}}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = (await client.post("/api/v1/runs", json={"preset": "tiny"})).json()
        live = await reception.supervisor.runs.find(run["id"])
        await reception.news.until(lambda: live.state is RunState.RUNNING and live.step > 1)
        path = f"/api/v1/runs/{run['id']}/growth"
        shown = await client.get(path, params={"fraction": 0.1})
        assert (shown.status_code, shown.json()) == (200, {**VIEW, "step": shown.json()["step"]})
        grown = await client.post(path, json={"site": "self_model", "fraction": 0.1})
        assert grown.status_code == 202
        assert grown.headers["location"] == f"/api/v1/operations/{grown.json()['id']}"
        done = (await client.get(f"/api/v1/operations/{grown.json()['id']}", params={"wait": 10})).json()
        assert done["state"] == "done"
        assert {"site": "self_model", "fraction": 0.1, "units_after": 18}.items() <= done["result"].items()
        deeper = await client.post(path, json={"site": "blocks.0.mlp", "operator": "deepen"})
        done = (await client.get(f"/api/v1/operations/{deeper.json()['id']}", params={"wait": 10})).json()
        assert done["result"]["operator"] == "deepen"
        for body in ({"site": "blocks.0.mlp", "operator": "expert"}, {"operator": "column"}):
            grown = await client.post(path, json=body)
            done = (await client.get(f"/api/v1/operations/{grown.json()['id']}", params={"wait": 10})).json()
            assert body.items() <= done["result"].items()
        for wrong in (
            {"operator": "recycle"},
            {"operator": "columns"},
            {"fraction": 0},
            {"fraction": 1.5},
            {"site": ""},
            {"place": "self_model"},
        ):
            assert (await client.post(path, json=wrong)).status_code == 422
        assert (await client.get(path, params={"fraction": 2})).status_code == 422
        assert (await client.get("/api/v1/runs/r-none/growth")).status_code == 404


async def test_a_refusal_is_a_conflict_with_its_reason(home: Home) -> None:
    script = {"conflict": "no growth site is called 'x'; there are self_model"}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = (await client.post("/api/v1/runs", json={"preset": "tiny"})).json()
        live = await reception.supervisor.runs.find(run["id"])
        await reception.news.until(lambda: live.state is RunState.RUNNING and live.step > 1)
        refused = await client.post(f"/api/v1/runs/{run['id']}/growth", json={"site": "x"})
        assert refused.status_code == 409
        assert "there are self_model" in refused.json()["detail"]
