"""Alarms from a trainer to a person: stored, listed, acknowledged, published, and true after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.daemon.api.reception import Reception, receiving
from tests.unit.daemon.supervisor.scripted_trainer import write_script

if TYPE_CHECKING:
    import httpx

    from daemon.home import Home

pytestmark = pytest.mark.anyio

TINY = {"preset": "tiny", "name": "first"}
API = "/api/v1"


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{API}/alarms", params=query)
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def ended(reception: Reception, client: httpx.AsyncClient, body: dict[str, Any] = TINY) -> str:
    run: str = (await client.post(f"{API}/runs", json=body)).json()["id"]
    await reception.supervisor.ending.wait(run)
    return run


async def test_an_alarm_goes_up_is_acknowledged_and_clears(home: Home) -> None:
    script = {"alarm_at_step": 3}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = (await client.post(f"{API}/runs", json=TINY)).json()["id"]
        await reception.news.until(lambda: "alarm_raised" in reception.news.kinds())
        (alarm,) = await listed(client, run=run, active="true")
        assert alarm["id"] == f"{run}.agency_low.3"
        assert (alarm["kind"], alarm["severity"], alarm["sign"]) == ("agency_low", "warning", "agency")
        assert alarm["value"] == 0.21
        assert alarm["remedy"] == "Raise the learning rate"
        assert alarm["message"].startswith("No sense of control")
        assert alarm["cleared_at"] is alarm["acknowledged_at"] is None

        seen = (await client.post(f"{API}/alarms/{alarm['id']}/acknowledge")).json()
        assert seen["acknowledged_at"] is not None
        again = (await client.post(f"{API}/alarms/{alarm['id']}/acknowledge")).json()
        assert again["acknowledged_at"] == seen["acknowledged_at"]
        assert (await listed(client, active="true"))[0]["acknowledged_at"] == seen["acknowledged_at"]
        reported = [event for event in reception.news.events if event["kind"] == "alarm_acknowledged"]
        assert [(event["run"], event["data"]["id"]) for event in reported] == [(run, alarm["id"])]

        missing = await client.post(f"{API}/alarms/nonsense/acknowledge")
        assert missing.status_code == 404
        assert "there is no alarm nonsense" in missing.json()["detail"]
        assert len(await listed(client)) == 1  # asking for what is not there adds nothing


async def test_what_has_cleared_is_history(home: Home) -> None:
    script = {"alarm_at_step": 2, "clear_at_step": 4, "finish_at_step": 6}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = await ended(reception, client)
        assert await listed(client, run=run, active="true") == []
        (alarm,) = await listed(client, run=run)
        assert alarm["cleared_at"] >= alarm["raised_at"]
        other = await client.get(f"{API}/alarms", params={"run": "r-another"})
        assert (other.status_code, "there is no run r-another" in other.text) == (404, True)
        events = (await client.get(f"{API}/runs/{run}/events", params={"kind": "alarm_cleared"})).json()
        assert events["items"][0]["message"] == "Alarm agency_low cleared (raised at step 2)"


async def test_a_trainer_that_fell_back_behind_an_alarm_takes_it_back(home: Home) -> None:
    """The first session dies with an alarm up; the second continues from before it, where all is well."""
    script = {"sessions": 1, "crash_at_step": 5, "alarm_at_step": 3}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = (await client.post(f"{API}/runs", json=TINY)).json()["id"]
        await reception.news.until(lambda: "alarm_raised" in reception.news.kinds())
        write_script(home.root, finish_at_step=8)
        await reception.supervisor.ending.wait(run)
        (alarm,) = await listed(client, run=run)
        assert alarm["cleared_at"] is not None
        assert reception.news.kinds().count("alarm_cleared") == 1


async def test_the_same_alarm_at_the_same_step_again_is_one_alarm(home: Home) -> None:
    script = {"sessions": 1, "crash_at_step": 5, "alarm_at_step": 3, "finish_at_step": 8}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = (await client.post(f"{API}/runs", json=TINY)).json()["id"]
        await reception.news.until(lambda: "alarm_raised" in reception.news.kinds())
        alarm_id = f"{run}.agency_low.3"
        await client.post(f"{API}/alarms/{alarm_id}/acknowledge")
        await reception.supervisor.ending.wait(run)
        (alarm,) = await listed(client, run=run)
        assert (alarm["id"], alarm["cleared_at"]) == (alarm_id, None)
        assert alarm["acknowledged_at"] is not None


async def test_a_daemon_started_again_believes_the_checkpoint(home: Home) -> None:
    """What was up is up again when the checkpoint has it, with its acknowledgement, and else is cleared."""
    script: dict[str, Any] = {"alarm_at_step": 3, "finish_at_step": 5}
    async with receiving(home, script=script) as reception, reception.client() as client:
        run = await ended(reception, client)
        await client.post(f"{API}/alarms/{run}.agency_low.3/acknowledge")
    script = {"alarms": [3], "finish_at_step": 7}
    async with receiving(home, script=script) as reception, reception.client() as client:
        await client.post(f"{API}/checkpoints/latest/resume", json={})
        await reception.supervisor.ending.wait(run)
        (alarm,) = await listed(client, run=run)
        assert alarm["cleared_at"] is None
        assert alarm["acknowledged_at"] is not None
    async with receiving(home, script={"finish_at_step": 9}) as reception, reception.client() as client:
        await client.post(f"{API}/checkpoints/latest/resume", json={})
        await reception.supervisor.ending.wait(run)
        (alarm,) = await listed(client, run=run)
        assert alarm["cleared_at"] is not None


async def test_vital_signs_say_what_their_bands_are(home: Home) -> None:
    async with receiving(home, script={"finish_at_step": 3}) as reception, reception.client() as client:
        body = {**TINY, "config": {"vitals": {"bands": {"phi": [0.2, 0.7]}}}}
        run = await ended(reception, client, body)
        signs = {item["name"]: item for item in (await client.get(f"{API}/vitals")).json()["items"]}
        assert set(signs) >= {"phi", "agency", "integration", "confidence", "self_prediction_error"}
        assert signs["phi"]["band"] == [0.4, 0.8]
        assert {item["band_is"] for item in signs.values()} == {"project convention"}
        own = (await client.get(f"{API}/vitals", params={"run": run})).json()["items"]
        assert {item["name"]: item["band"] for item in own}["phi"] == [0.2, 0.7]
        assert {item["name"]: item["band"] for item in own}["agency"] == [0.6, 0.9]
        assert (await client.get(f"{API}/vitals", params={"run": "r-none"})).status_code == 404


async def test_every_measurement_can_be_looked_up(home: Home) -> None:
    async with receiving(home, script={"finish_at_step": 3}) as reception, reception.client() as client:
        run = await ended(reception, client)
        reception.supervisor.store.flush()
        page = (await client.get(f"{API}/runs/{run}/readings", params={"name": "phi", "limit": 2})).json()
        newest, older = (item["step"] for item in page["items"])
        assert newest == 3 >= older
        assert {item["name"] for item in page["items"]} == {"phi"}
        assert page["items"][0]["reason"] == "not implemented"
        assert set(page["items"][0]) >= {"raw", "uncertainty", "samples", "version", "cost_ms", "detail"}
        assert page["next"] is not None
