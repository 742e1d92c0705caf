"""The REST API as a whole: every resource, every error, and what an attacker would try."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.trainer_protocol import RunState
from tests.unit.daemon.api.reception import TOKEN, URL, Reception, receiving

if TYPE_CHECKING:
    import httpx

    from daemon.home import Home

pytestmark = pytest.mark.anyio

TINY = {"preset": "tiny"}


async def learning(reception: Reception, client: httpx.AsyncClient) -> str:
    run = (await client.post("/api/v1/runs", json=TINY)).json()
    live = await reception.supervisor.runs.find(run["id"])
    await reception.news.until(lambda: live.state is RunState.RUNNING and live.step > 3)
    return str(run["id"])


def assert_problem(response: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    for word in words:
        assert word in problem["detail"]
    return problem


# -- resources -----------------------------------------------------------------------------------------------


async def test_what_a_person_does_over_http(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        created = await client.post("/api/v1/runs", json={**TINY, "steps": 1000, "name": "mine"})
        assert created.status_code == 201
        run = created.json()
        assert created.headers["location"] == f"/api/v1/runs/{run['id']}"
        assert (run["name"], run["limits"]["steps"], run["preset"]) == ("mine", 1000, "tiny")
        live = await reception.supervisor.runs.find(run["id"])
        await reception.news.until(lambda: live.step > 10)

        assert_problem(await client.post("/api/v1/runs", json=TINY), 409, run["id"])
        seen = (await client.get(f"/api/v1/runs/{run['id']}")).json()
        assert seen["latest"]["bpc"] > 0
        assert seen["latest"]["replay_bpc"] is None
        listed = (await client.get("/api/v1/runs")).json()
        assert [one["id"] for one in listed["items"]] == [run["id"]]
        assert listed["next"] is None
        assert "config" not in listed["items"][0]

        base = f"/api/v1/runs/{run['id']}"
        printed = await client.post(f"{base}/generate", json={"prompt": "To be"})
        assert printed.json()["text"] == "To be!"
        fed = await client.post(f"{base}/experience", json={"text": "hello"})
        assert fed.status_code == 202
        done = (await client.get(f"/api/v1/operations/{fed.json()['id']}", params={"wait": 10})).json()
        assert done["state"] == "done"
        assert_problem(await client.post(f"{base}/actions", json={"action": "grow"}), 409, "not available")
        saved = (await client.post(f"{base}/actions", json={"action": "checkpoint"})).json()
        saved = (await client.get(f"/api/v1/operations/{saved['id']}", params={"wait": 10})).json()
        assert saved["result"]["checkpoint"].startswith("continuous_")

        stopped = (await client.post(f"{base}/actions", json={"action": "stop"})).json()
        assert (await client.get(f"/api/v1/operations/{stopped['id']}?wait=10")).json()["state"] == "done"
        await reception.supervisor.ending.wait(run["id"])
        series = (await client.get(f"{base}/series", params={"metrics": "bpc,phi", "points": 5})).json()
        assert len(series["metrics"]["bpc"]["step"]) <= 5
        assert series["metrics"]["phi"]["step"] == []
        events = (await client.get(f"{base}/events", params={"limit": 3})).json()
        assert [event["seq"] for event in events["items"]] == sorted(
            (event["seq"] for event in events["items"]), reverse=True
        )
        assert events["items"][0]["data"]["after"] == "stopped"
        more = (await client.get(f"{base}/events", params={"limit": 3, "cursor": events["next"]})).json()
        assert more["items"][0]["seq"] < events["items"][-1]["seq"]
        oldest = (await client.get("/api/v1/events", params={"after": 0, "kind": "checkpoint_saved"})).json()
        assert [event["data"]["reason"] for event in oldest["items"]] == ["first", "manual", "final"]
        assert (await client.get(f"{base}/evaluations")).json()["items"][0]["bpc"] == 3.5


async def test_checkpoints_are_listed_pinned_resumed_and_deleted(home: Home) -> None:
    async with receiving(home, script={"finish_at_step": 5}) as reception, reception.client() as client:
        run = (await client.post("/api/v1/runs", json=TINY)).json()
        await reception.supervisor.ending.wait(run["id"])
        listed = (await client.get("/api/v1/checkpoints", params={"run": run["id"]})).json()["items"]
        newest, oldest = listed
        first = (await client.get("/api/v1/checkpoints", params={"run": run["id"], "limit": 1})).json()
        then = {"run": run["id"], "limit": 1, "cursor": first["next"]}
        second = (await client.get("/api/v1/checkpoints", params=then)).json()
        assert (first["items"] + second["items"], second["next"]) == (listed, None)
        assert newest["verified"] is True
        assert newest["step"] == 5
        whole = (await client.get(f"/api/v1/checkpoints/{newest['id']}")).json()
        assert whole["manifest"]["run_id"] == run["id"]
        assert (await client.post(f"/api/v1/checkpoints/{oldest['id']}/pin")).json()["pinned"] is True
        assert_problem(await client.delete(f"/api/v1/checkpoints/{oldest['id']}"), 409, "pinned")
        assert (await client.post(f"/api/v1/checkpoints/{oldest['id']}/unpin")).json()["pinned"] is False
        assert (await client.delete(f"/api/v1/checkpoints/{oldest['id']}")).status_code == 204
        assert_problem(await client.delete(f"/api/v1/checkpoints/{newest['id']}"), 409, "only sound one")
        assert_problem(await client.get(f"/api/v1/checkpoints/{oldest['id']}"), 404, oldest["id"])

        shown = (await client.get(f"/api/v1/runs/{run['id']}")).json()
        assert shown["checkpoint"] == newest["id"]

        (home.root / "script.json").write_text("{}")
        resumed = await client.post(f"/api/v1/checkpoints/{newest['id']}/resume", json={"steps": 50})
        assert resumed.status_code == 201
        assert (resumed.json()["id"], resumed.json()["session"]) == (run["id"], 2)
        live = await reception.supervisor.runs.find(run["id"])
        await reception.news.until(lambda: live.session == 2 and live.step > 5)
        assert_problem(await client.post(f"/api/v1/checkpoints/{newest['id']}/resume"), 409)


async def test_the_diary_over_http(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        jobs = (await client.get("/api/v1/schedule")).json()["items"]
        assert {"backup", "evaluation", "pruning", "upkeep"} <= {job["id"] for job in jobs}
        changed = (
            await client.patch("/api/v1/schedule/backup", json={"paused": True, "cron": "0 5 * * *"})
        ).json()
        assert (changed["paused"], changed["trigger"]) == (True, "cron 0 5 * * *")
        operation = (await client.post("/api/v1/schedule/backup/run")).json()
        done = (await client.get(f"/api/v1/operations/{operation['id']}?wait=20")).json()
        assert done["state"] == "done", done
        assert list((home.root / "backups").glob("synapsed-*.db"))
        for job in ("pruning", "upkeep", "evaluation"):
            operation = (await client.post(f"/api/v1/schedule/{job}/run")).json()
            done = (await client.get(f"/api/v1/operations/{operation['id']}?wait=20")).json()
            assert done["state"] == "done", done
        assert_problem(await client.post("/api/v1/schedule/bakcup/run"), 404, "backup")
        assert_problem(await client.patch("/api/v1/schedule/backup", json={"cron": "no"}), 422, "cron")


async def test_the_catalogue_health_and_metrics(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        presets = (await client.get("/api/v1/presets")).json()["items"]
        assert {"default", "tiny"} <= {preset["name"] for preset in presets}
        brains = (await client.get("/api/v1/brains")).json()["items"]
        assert "hidden_size" in brains[0]["settings"]["properties"]
        run = await learning(reception, client)
        metrics = await client.get("/metrics")
        assert f'synapsed_run_state{{run="{run}",state="running"}} 1.0' in metrics.text
        assert (await client.post("/api/v1/shutdown")).status_code == 202
        assert reception.shutdowns == 1
    async with receiving(home) as reception, reception.client(token=None) as client:
        assert (await client.head("/api/v1/health")).status_code == 200
        health = await client.get("/api/v1/health")
        assert health.json() == {"status": "ok", "version": "0.0.1", "home_id": home.id}


async def test_openapi_describes_every_resource_of_the_reference(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        wanted = {
            "/runs": {"get", "post"}, "/runs/{run_id}": {"get"}, "/runs/{run_id}/actions": {"post"},
            "/operations/{operation_id}": {"get"}, "/runs/{run_id}/series": {"get"},
            "/runs/{run_id}/events": {"get"}, "/events": {"get"}, "/runs/{run_id}/experience": {"post"},
            "/runs/{run_id}/generate": {"post"}, "/runs/{run_id}/evaluations": {"get"},
            "/runs/{run_id}/forgetting": {"get"}, "/runs/{run_id}/remembers": {"post"},
            "/checkpoints": {"get"}, "/checkpoints/{checkpoint_id}": {"get", "delete"},
            "/checkpoints/{checkpoint_id}/resume": {"post"}, "/schedule": {"get"},
            "/schedule/{job}": {"patch"}, "/shutdown": {"post"},
            "/presets": {"get"}, "/brains": {"get"}, "/health": {"get"},
        }  # fmt: skip
        for path, methods in wanted.items():
            assert methods <= set(paths[f"/api/v1{path}"]), path


# -- errors --------------------------------------------------------------------------------------------------


async def test_every_error_is_a_problem(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        assert_problem(await client.get("/api/v1/nothing"), 404, "/docs")
        refused = await client.put("/api/v1/runs")
        assert_problem(refused, 405, "PUT", "GET, POST")
        assert refused.headers["allow"] == "GET, POST"
        assert_problem(await client.get("/api/v1/runs/r-none"), 404, "r-none")
        assert_problem(await client.get("/api/v1/operations/op-none"), 404)
        wrong = assert_problem(
            await client.post("/api/v1/runs", json={"config": {"replay.capcity": 5}}), 422, "replay.capacity"
        )
        assert wrong["errors"] == [{"path": "replay.capcity", "message": wrong["detail"]}]
        assert "command line" not in wrong["detail"]
        preset = assert_problem(
            await client.post("/api/v1/runs", json={"preset": "/etc/passwd"}), 422, "default"
        )
        assert preset["errors"][0]["path"] == "preset"
        assert_problem(await client.post("/api/v1/runs", json={"presett": "tiny"}), 422, "presett")
        assert_problem(await client.post("/api/v1/runs", json={**TINY, "hours": -1}), 422, "hours")
        plain = await client.post("/api/v1/runs", content=b"{}", headers={"Content-Type": "text/plain"})
        assert assert_problem(plain, 422, "application/json")["errors"][0]["path"] == "body"
        broken = await client.post("/api/v1/runs", content=b"{", headers={"Content-Type": "application/json"})
        assert assert_problem(broken, 422, "JSON")["errors"][0]["path"] == "body"
        assert_problem(await client.get("/api/v1/runs?limit=0"), 422, "limit")
        for lists in ("runs", "presets"):
            lost = assert_problem(await client.get(f"/api/v1/{lists}?cursor=nonsense"), 422, "cursor")
            assert lost["errors"][0]["path"] == "cursor"
        data = {"config": {"stream.data": ["/no/such/folder"]}}
        missing = assert_problem(await client.post("/api/v1/runs", json=data), 422, "/no/such/folder")
        assert missing["errors"][0]["path"] == "stream.data"
        path = {"config": {"pretrained": "/tmp/checkpoints/continuous_1"}}
        assert_problem(await client.post("/api/v1/runs", json=path), 422, "named by its id")
        table = {"config": {"stream.source": [{"kind": "tabel", "path": "/tmp"}]}}
        missing = assert_problem(await client.post("/api/v1/runs", json=table), 422, "did you mean table?")
        assert missing["errors"][0]["path"] == "stream.source.0.kind"
        run = await learning(reception, client)
        assert_problem(await client.post(f"/api/v1/runs/{run}/actions", json={"action": "fly"}), 422)
        assert_problem(await client.get(f"/api/v1/runs/{run}/series?metrics=,"), 422)
        for names in ("", "bpc,", "bpc,,phi", "bpc%00", "b%0Apc", "%1B[2J", "bpc,%7F"):
            refused = await client.get(f"/api/v1/runs/{run}/series?metrics={names}")
            assert assert_problem(refused, 422)["errors"][0]["path"] == "metrics"
        for lists in ("alarms?run", "checkpoints?run", "events?kind", f"runs/{run}/readings?name"):
            assert_problem(await client.get(f"/api/v1/{lists}=a%00"), 422)
        assert_problem(await client.get(f"/api/v1/runs/{run}/series?from=9&to=3"), 422)


async def test_what_goes_wrong_inside_stays_inside(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(home) as reception, reception.client() as client:

        def fail(*_: object) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr(reception.supervisor.rows, "views", fail)
        response = await client.get("/api/v1/runs", headers={"X-Request-Id": "mine-1"})
        problem = assert_problem(response, 500)
        assert problem["request_id"] == "mine-1"
        assert "secret" not in response.text


async def test_the_same_key_gives_the_same_answer(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        key = {"Idempotency-Key": "abc"}
        first, second = await asyncio.gather(
            client.post("/api/v1/runs", json=TINY, headers=key),
            client.post("/api/v1/runs", json=TINY, headers=key),
        )
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        assert len(reception.supervisor.runs.active()) == 1
        again = await client.post("/api/v1/runs", json=TINY, headers=key)
        assert again.json()["id"] == first.json()["id"]
        assert again.headers["idempotent-replayed"] == "true"
        other = await client.post("/api/v1/runs", json={"preset": "fast"}, headers=key)
        assert_problem(other, 422, "Idempotency-Key")


async def test_what_a_brain_answered_is_not_kept_for_its_key(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        run = (await client.post("/api/v1/runs", json=TINY)).json()["id"]
        path, key = f"/api/v1/runs/{run}/generate", {"Idempotency-Key": "asked"}
        for _ in range(2):
            answer = await client.post(path, json={"prompt": "a"}, headers=key)
            assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)
        assert reception.supervisor.store.recall_answer("asked", f"POST {path}") is None


# -- attacks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.2", "127.0.0.1:", "127.0.0.1:8765.evil.example", "localhost:8765@evil", ""],
)
async def test_a_rebound_name_gets_nothing(home: Home, host: str) -> None:
    async with receiving(home) as reception, reception.client() as client:
        for path in ("/api/v1/health", "/api/v1/runs", "/"):
            assert_problem(await client.get(path, headers={"Host": host}), 400)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:8765", "http://127.0.0.1:80", ""]
)
async def test_another_origin_changes_nothing_even_without_a_body(home: Home, origin: str) -> None:
    async with receiving(home) as reception, reception.client() as client:
        for path in ("/api/v1/runs", "/api/v1/shutdown", "/login"):
            assert_problem(await client.post(path, headers={"Origin": origin}), 403)
        assert_problem(await client.delete("/api/v1/checkpoints/x", headers={"Origin": origin}), 403)
        assert reception.shutdowns == 0
        assert not reception.supervisor.runs.known()


async def test_the_page_itself_may(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        for origin in (URL, "http://localhost:8765"):
            assert (await client.post("/api/v1/shutdown", headers={"Origin": origin})).status_code == 202
        through_tunnel = {"Host": "127.0.0.1:9000", "Origin": "http://127.0.0.1:9000"}
        assert (await client.post("/api/v1/shutdown", headers=through_tunnel)).status_code == 202
        other_server = {"Origin": "http://127.0.0.1:9000"}
        assert_problem(await client.post("/api/v1/shutdown", headers=other_server), 403)
        cross = {"Sec-Fetch-Site": "cross-site"}
        assert_problem(await client.post("/api/v1/shutdown", headers=cross), 403)
        assert reception.shutdowns == 3


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "é"])
async def test_a_wrong_token_gets_nothing(home: Home, token: str) -> None:
    async with receiving(home) as reception, reception.client(token=None) as client:
        for path in ("/api/v1/runs", "/metrics", "/openapi.json", "/docs", "/static/main.js", "/nothing"):
            headers = {b"Authorization": f"Bearer {token}".encode()}
            response = await client.get(path, headers=headers)
            assert_problem(response, 401)
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert (await client.get(f"/api/v1/runs?token={TOKEN}")).status_code == 401


async def test_a_code_signs_in_once(home: Home) -> None:
    async with receiving(home) as reception, reception.client(token=None) as client:
        form = await client.get("/")
        assert form.status_code == 401
        assert str(home.root) in form.text
        assert "script" not in form.text
        code = reception.context.access.issue_code()
        assert (await client.head(f"/?token={code}")).status_code == 401, "looking does not use it up"
        welcome = await client.get(f"/?token={code}")
        assert (welcome.status_code, welcome.headers["location"]) == (303, "./")
        cookie = welcome.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/api/v1/runs")).status_code == 200, "the cookie lets in"
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        client.cookies.clear()
        again = await client.get(f"/?token={code}")
        assert again.status_code == 401
        assert "used already" in again.text
        assert "wrong" not in (await client.post("/login", data={"token": TOKEN})).text
        client.cookies.clear()
        wrong = await client.post("/login", data={"token": "guess"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)


async def test_a_code_can_be_asked_for_with_the_token(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        url = (await client.post("/api/v1/one-time-urls")).json()["url"]
        assert url.startswith(f"{URL}/?token=")
        async with reception.client(token=None) as browser:
            assert (await browser.get(url)).status_code == 303
            assert (await browser.get("/")).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["..", "../../token", "..%2f..%2ftoken", "%2e%2e%2ftoken", "continuous_1/../../token", "continuous_1%00"],
)
async def test_a_checkpoint_id_never_leads_out(home: Home, name: str) -> None:
    home.token()
    async with receiving(home) as reception, reception.client() as client:
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/resume"), ("POST", "/pin")):
            response = await client.request(method, f"{URL}/api/v1/checkpoints/{name}{tail}")
            assert response.status_code in {404, 405}
        assert (home.root / "token").exists()
        assert_problem(await client.post("/api/v1/checkpoints/latest/resume"), 404)
        for path in ("/static/../index.html", "/static/%2e%2e/__init__.py", "/vendor/..%2f__init__.py"):
            assert (await client.get(path)).status_code == 404


async def test_a_giant_body_is_refused_before_it_is_read(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        assert_problem(await client.post("/api/v1/runs", content=b" " * 300_000), 413)

        async def endless() -> Any:
            for _ in range(10_000):
                yield b"x" * 10_000

        assert_problem(await client.post("/api/v1/runs", content=endless()), 413)
        run = await learning(reception, client)
        big = {"text": "x" * (1024 * 1024 + 1)}
        assert_problem(await client.post(f"/api/v1/runs/{run}/experience", json=big), 422)
        wide = {"text": "é" * 600_000}
        assert_problem(await client.post(f"/api/v1/runs/{run}/experience", json=wide), 422, "1024 KiB")
        fits = await client.post(f"/api/v1/runs/{run}/experience", json={"text": "x" * 1024 * 1024})
        assert fits.status_code == 202
        lone = await client.post(f"/api/v1/runs/{run}/experience", content=b'{"text": "\\ud800"}',
                                 headers={"Content-Type": "application/json"})  # fmt: skip
        assert_problem(lone, 422)


async def test_every_answer_carries_the_policy(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        for path in ("/", "/docs", "/api/v1/runs", "/nothing", "/vendor/docs.js"):
            headers = (await client.get(path)).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "default-src 'self'" in headers["content-security-policy"] or path == "/"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert "access-control-allow-origin" not in headers


async def test_vendored_files_come_from_this_machine_compressed_and_cached(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        docs = await client.get("/docs")
        assert "http" not in docs.text
        for name in ("plotly.min.js", "swagger-ui-bundle.js", "swagger-ui.css"):
            first = await client.get(f"/vendor/{name}", headers={"Accept-Encoding": "gzip"})
            assert first.headers["content-encoding"] == "gzip"
            assert len(first.content) > 50_000
            known = {"If-None-Match": first.headers["etag"], "Accept-Encoding": "gzip"}
            assert (await client.get(f"/vendor/{name}", headers=known)).status_code == 304
            plain = await client.get(f"/vendor/{name}", headers={"Accept-Encoding": "identity"})
            assert plain.content == first.content


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=12), below, max_size=4),
    max_leaves=12,
)
KNOWN_KEYS = [
    "stream.rows",
    "stream",
    "stream.data",
    "brain",
    "brain.kind",
    "limits",
    "limits.hours",
    "seed",
    "",
    ".",
]
bodies = anything | st.fixed_dictionaries(
    {},
    optional={
        "preset": st.sampled_from(["tiny", "default", "tinny", "../tiny", ""]) | anything,
        "config": st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(max_size=12), anything, max_size=4)
        | anything,
        "hours": st.floats() | st.integers() | anything,
        "steps": st.integers() | st.floats() | anything,
        "name": st.text(max_size=300) | anything,
        "queue": st.booleans() | anything,
        "extra": anything,
    },
)


def test_no_body_brings_the_daemon_down(home: Home) -> None:
    with asyncio.Runner() as loop:
        opened = contextlib.AsyncExitStack()
        reception = loop.run(opened.enter_async_context(receiving(home, script={"refuse": "no"})))
        client = loop.run(opened.enter_async_context(reception.client()))

        @settings(max_examples=130, deadline=None, derandomize=True)
        @given(body=bodies)
        def fire(body: Any) -> None:
            answering = client.post(
                "/api/v1/runs",
                content=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            response = loop.run(answering)
            assert response.status_code in {201, 409, 422}, (body, response.text)
            if response.status_code != 201:
                assert_problem(response, response.status_code)

        try:
            fire()
        finally:
            loop.run(opened.aclose())


def test_no_torch_is_imported_when_a_request_has_been_served() -> None:
    program = """
import asyncio, sys, tempfile
from pathlib import Path
from daemon.home import Home
from tests.unit.daemon.api.reception import receiving

async def main():
    home = Home.open(Path(tempfile.mkdtemp()), environ={})
    home.prepare()
    async with receiving(home) as reception, reception.client() as client:
        for path in ("health", "runs", "presets", "brains", "checkpoints", "schedule"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 200, path
    assert "torch" not in sys.modules

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "form",
    [
        b"a=1&b=2&c=3&d=4&e=5",
        b"&".join(b"f%d=" % number for number in range(5000)),
        b"token=" + b"x" * 200_000,
        b"token=%ff%fe",
        b"\xff\xfe=\x00",
        b"token=a;token=b",
        b"",
        b"x" * 300_000,
    ],
)
async def test_no_sign_in_form_makes_the_daemon_fail(home: Home, form: bytes) -> None:
    async with receiving(home) as reception, reception.client(token=None) as client:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await client.post("/login", content=form, headers=kind)).status_code in (400, 401, 413)
        good = await client.post("/login", content=f"token={TOKEN}".encode(), headers=kind)
        assert (good.status_code, good.headers["location"]) == (303, "./")


async def test_the_description_has_the_body_of_every_action(home: Home) -> None:
    async with receiving(home) as reception, reception.client() as client:
        document = (await client.get("/openapi.json")).json()
    body = document["paths"]["/api/v1/runs/{run_id}/actions"]["post"]["requestBody"]["content"]
    mapping = body["application/json"]["schema"]["discriminator"]["mapping"]
    assert set(mapping) == {"stop", "pause", "continue", "checkpoint", "grow", "sleep", "evaluate"}
    for reference in mapping.values():
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        inner = schema["properties"]["arguments"]
        named = document["components"]["schemas"][inner["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is named["additionalProperties"] is False
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"]
