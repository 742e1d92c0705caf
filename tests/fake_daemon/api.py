"""HTTP and websocket over the scripted daemon, as docs/reference/api.md has them, under a strict policy.

`python -m tests.fake_daemon.api [PORT]` serves it for a person.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plotly  # type: ignore[import-untyped]
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from brain.vitals.config import VitalsConfig
from brain.vitals.sign_registry import describe_vitals
from tests.fake_daemon.contract import Contract, frame_faults
from tests.fake_daemon.forgetting import forgotten
from tests.fake_daemon.run import START, FakeRun, clock_time
from tests.fake_daemon.world import HOSTILE, FakeDaemon, problem_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROOT = Path(__file__).resolve().parents[2]
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


class FakeApi:
    """Serves one FakeDaemon."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon

    def operation(self, run: FakeRun | None, action: str, /, **result: Any) -> JSONResponse:
        """The answer of a command: its operation, done or on its way."""
        operation = self.daemon.operate(run, action, result)
        waiting: dict[str, Any] = {"state": "pending", "result": {}, "finished_at": None}
        return JSONResponse(operation if self.daemon.at_once else operation | waiting, 202)

    def app(self) -> ASGIApp:
        """The ASGI application, under the page's Content-Security-Policy."""
        routes = [
            Route("/", lambda _: FileResponse(ROOT / "dashboard" / "index.html")),
            Route("/vendor/plotly.min.js", lambda _: FileResponse(PLOTLY)),
            Mount("/static", StaticFiles(directory=ROOT / "dashboard" / "static")),
            Mount(
                "/api/v1",
                app=Contract(Asked(Starlette(routes=self.routes()), self.daemon), self.daemon.drift),
            ),
        ]

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            task = asyncio.create_task(self.daemon.live())
            yield
            task.cancel()

        return guarded(Starlette(routes=routes, lifespan=lifespan))

    def routes(self) -> list[Route | WebSocketRoute]:
        """Routes under /api/v1."""
        return [
            Route("/presets", self.get_presets),
            Route("/runs", self.get_runs),
            Route("/runs", self.post_run, methods=["POST"]),
            Route("/health", lambda _: JSONResponse({"status": "ok", "version": "0", "home_id": "fake"})),
            Route("/shutdown", self.shut_down, methods=["POST"]),
            Route("/one-time-urls", self.post_one_time_url, methods=["POST"]),
            Route("/home", self.get_home),
            Route("/operations/{operation}", self.get_operation),
            Route("/runs/{run}", self.get_run),
            Route("/runs/{run}", self.delete_run, methods=["DELETE"]),
            Route("/runs/{run}/actions", self.post_action, methods=["POST"]),
            Route("/runs/{run}/series", self.get_series),
            Route("/runs/{run}/events", self.get_events),
            Route("/events", self.get_events),
            Route("/runs/{run}/experience", self.post_experience, methods=["POST"]),
            Route("/runs/{run}/generate", self.post_generate, methods=["POST"]),
            Route("/runs/{run}/remembers", self.post_remembers, methods=["POST"]),
            Route("/runs/{run}/forget", self.post_forget, methods=["POST"]),
            Route("/runs/{run}/evaluations", self.get_evaluations),
            Route("/runs/{run}/forgetting", self.get_forgetting),
            Route("/vitals", self.get_vitals),
            Route("/alarms", self.get_alarms),
            Route("/alarms/{id}/acknowledge", self.acknowledge_alarm, methods=["POST"]),
            Route("/checkpoints", self.get_checkpoints),
            Route("/checkpoints/{id}", self.delete_checkpoint, methods=["DELETE"]),
            Route("/checkpoints/{id}/{verb}", self.post_checkpoint, methods=["POST"]),
            Route("/schedule", lambda _: page(self.daemon.jobs)),
            Route("/schedule/{job}", self.patch_job, methods=["PATCH"]),
            Route("/schedule/{job}/run", self.run_job, methods=["POST"]),
            WebSocketRoute("/stream", self.stream),
        ]

    async def get_presets(self, _: Request) -> Response:
        names = {
            "default": "Reads the standard library on two cores",
            "quality": "Larger and slower",
            "tiny": "For tests",
        }
        return page([{"name": name, "summary": summary, "config": {}} for name, summary in names.items()])

    async def shut_down(self, _: Request) -> Response:
        self.daemon.on_shutdown()
        return JSONResponse({"status": "stopping"}, 202)

    async def post_one_time_url(self, _: Request) -> Response:
        return JSONResponse({"url": f"{self.daemon.url}/?token=once"}, 201)

    async def get_home(self, _: Request) -> Response:
        aside = [{"name": "damaged-continuous_1", "size_bytes": 2_000_000}]
        return JSONResponse({"checkpoint_bytes": 0, "checkpoint_bytes_max": 1, "damaged": aside})

    async def get_operation(self, request: Request) -> Response:
        wanted = request.path_params["operation"]
        return JSONResponse(next(one for one in self.daemon.operations if one["id"] == wanted))

    async def get_runs(self, request: Request) -> Response:
        return part([run.view() for run in reversed(self.daemon.runs.values())], request)

    async def get_run(self, request: Request) -> Response:
        run = self.daemon.runs.get(request.path_params["run"])
        return problem(404, "there is no such run") if run is None else JSONResponse(run.full_view())

    async def post_run(self, request: Request) -> Response:
        body = await request.json()
        if any(not run.ended for run in self.daemon.runs.values()):
            return problem(409, "a run is learning already")
        if "no/such/place" in body.get("config", {}).get("stream.data", []):
            return problem(
                422,
                "The configuration does not hold.",
                [{"path": "stream.data", "message": "no such file or folder"}],
            )
        run = FakeRun(
            id=f"r-20260302-{len(self.daemon.runs):06d}-0000",
            name=body.get("name") or "unnamed",
            hours_ago=-1 - len(self.daemon.runs),
            preset=body.get("preset", "default"),
            sample="once upon",
        )
        self.daemon.add(run)
        self.daemon.save(run, reason="first")
        return JSONResponse(run.full_view(), 201)

    async def delete_run(self, request: Request) -> Response:
        run = self.daemon.runs[request.path_params["run"]]
        if request.query_params["confirm"] not in (run.name, run.id):
            return problem(422, f"type the run's name ({run.name}) or its id ({run.id})")
        return JSONResponse(self.daemon.delete(run))

    async def post_action(self, request: Request) -> Response:
        run, action = self.daemon.runs[request.path_params["run"]], (await request.json())["action"]
        if action == "pause":
            self.daemon.set_state(run, "paused")
        elif action == "continue":
            self.daemon.set_state(run, "running")
        elif action == "checkpoint":
            return self.operation(run, action, checkpoint=self.daemon.save(run, reason="manual"))
        elif action == "stop":
            name = self.daemon.save(run, reason="stop")
            self.daemon.set_state(run, self.daemon.ends_as)
            return self.operation(run, action, checkpoint=name)
        elif action == "evaluate":
            return self.operation(run, action, bpc={"stdlib": 2.2, "total": 2.2})
        elif action == "sleep":
            return self.operation(run, action, steps=100)
        return self.operation(run, action)

    async def get_series(self, request: Request) -> Response:
        query = request.query_params
        run = self.daemon.runs[request.path_params["run"]]
        end = int(query["to"]) if "to" in query else None
        return JSONResponse(
            run.series(
                query["metrics"].split(","), int(query.get("from", 0)), end, int(query.get("points", 1000))
            )
        )

    async def get_events(self, request: Request) -> Response:
        query, run = request.query_params, request.path_params.get("run")
        events = [
            event
            for event in self.daemon.events
            if run in (None, event["run"]) and query.get("kind", event["kind"]) == event["kind"]
        ]
        limit = int(query.get("limit", 50))
        if "after" in query:
            later = [event for event in events if event["seq"] > int(query["after"])]
            return page(later[:limit], str(later[limit - 1]["seq"]) if len(later) > limit else None)
        older = [event for event in reversed(events) if event["seq"] < int(query.get("cursor", sys.maxsize))]
        return page(older[:limit], str(older[limit - 1]["seq"]) if len(older) > limit else None)

    async def post_experience(self, request: Request) -> Response:
        run, text = self.daemon.runs[request.path_params["run"]], (await request.json())["text"]
        self.daemon.note(
            run, "experience_pushed", f"{len(text.encode()):,} bytes of text were fed (from api)"
        )
        run.sample = text
        return self.operation(run, "feed", effective_step=run.step + 1, sequence=1)

    async def post_generate(self, request: Request) -> Response:
        run, text = self.daemon.runs[request.path_params["run"]], self.daemon.generated
        generated = {"text": text, "bytes_generated": len(text), "step": run.step}
        chance = self.daemon.probability
        return JSONResponse(generated | {"is_answer": chance is not None, "probability": chance})

    async def post_remembers(self, request: Request) -> Response:
        run, context = self.daemon.runs[request.path_params["run"]], (await request.json())["context"]
        likely = [
            {"byte": 60, "text": "<", "probability": 0.75},
            {"byte": 10, "text": "\\n", "probability": 0.25},
        ]
        known = len(context) >= 6
        match = {
            "length": 6,
            "bytes_ago": 1234,
            "step": 40,
            "source": HOSTILE,
            "before": HOSTILE,
            "matched": context[-6:],
            "after": "<b> \\xff",
        }
        return JSONResponse(
            {
                "step": run.step,
                "context_bytes": len(context.encode()),
                "match": match if known else None,
                "next": dict.fromkeys(("memory", "network", "both"), likely),
                "completion": f"{HOSTILE} on" if known else "",
            }
        )

    async def post_forget(self, request: Request) -> Response:
        run, wanted = self.daemon.runs[request.path_params["run"]], await request.json()
        return self.operation(run, "forget", **forgotten(self.daemon, run, wanted))

    async def get_evaluations(self, request: Request) -> Response:
        run = self.daemon.runs[request.path_params["run"]]
        step, remembers = run.step, "mixed_bpc" in (run.latest or {})
        rows = [("stdlib", 2.13, 1.0, 40), ("notes", 2.71, 0.62, 310), (HOSTILE, 3.02, 0.11, 900)]
        return page(
            [
                {
                    "source": name,
                    "bpc": bpc,
                    "mixed_bpc": round(bpc - 0.5, 3) if remembers else None,
                    "coverage": share,
                    "age_steps": age,
                    "accuracy": None,
                    "examples": None,
                    "step": step - age,
                    "time": clock_time(step - age),
                }
                for name, bpc, share, age in rows
            ]
        )

    async def get_forgetting(self, _: Request) -> Response:
        columns = {"step": [50, 100], "bpc": [2.5, 2.75], "smooth": [2.5, 2.625], "forgetting": [None, 0.125]}
        summary = {"mean": 0.125, "worst": 0.125, "backward_transfer": -0.125, "stability_gap": 0.25}
        return JSONResponse({**summary, "sources": {"stdlib": columns}})

    async def get_vitals(self, _: Request) -> Response:
        return page(describe_vitals(VitalsConfig(bands={"integration": (0.1, 0.6)})))

    async def get_alarms(self, request: Request) -> Response:
        query = request.query_params
        return page(
            [
                alarm
                for alarm in reversed(self.daemon.alarms)
                if query.get("run") in (None, alarm["run"])
                and not ("active" in query and alarm["cleared_at"])
            ]
        )

    async def acknowledge_alarm(self, request: Request) -> Response:
        alarm = next(one for one in self.daemon.alarms if one["id"] == request.path_params["id"])
        alarm["acknowledged_at"] = alarm["acknowledged_at"] or START.isoformat()
        run = self.daemon.runs[alarm["run"]]
        self.daemon.note(run, "alarm_acknowledged", f"Alarm {alarm['kind']} acknowledged")
        return JSONResponse(alarm)

    async def get_checkpoints(self, request: Request) -> Response:
        run = request.query_params.get("run")
        return page([one for one in self.daemon.checkpoints if run in (None, one["run"])])

    async def delete_checkpoint(self, request: Request) -> Response:
        one = self._checkpoint(request)
        if one["pinned"]:
            return problem(409, f"{one['id']} is pinned. Unpin it first.")
        self.daemon.checkpoints.remove(one)
        return Response(status_code=204)

    async def post_checkpoint(self, request: Request) -> Response:
        one, verb = self._checkpoint(request), request.path_params["verb"]
        if verb in ("pin", "unpin"):
            one["pinned"] = verb == "pin"
            return JSONResponse(one)
        run = self.daemon.runs[one["run"]]
        run.step, run.session = one["step"], run.session + 1
        self.daemon.note(run, "run_resumed", f"Resumed from {one['id']}")
        self.daemon.set_state(run, "running")
        return JSONResponse(run.full_view(), 201)

    def _checkpoint(self, request: Request) -> dict[str, Any]:
        return next(one for one in self.daemon.checkpoints if one["id"] == request.path_params["id"])

    async def patch_job(self, request: Request) -> Response:
        job = next(one for one in self.daemon.jobs if one["id"] == request.path_params["job"])
        job.update(await request.json())
        return JSONResponse(job)

    async def run_job(self, request: Request) -> Response:
        name = request.path_params["job"]
        self.daemon.note(None, "job_finished", f"{name}: ran", job=name)
        return self.operation(None, f"job:{name}")

    async def stream(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol="synapsed.v1")
        hello = await socket.receive_json()
        resumed = hello.get("epoch") == self.daemon.epoch
        await socket.send_json(
            {
                "type": "welcome",
                "epoch": self.daemon.epoch,
                "seq": len(self.daemon.events),
                "resumed": resumed,
            }
        )
        if resumed:
            for event in self.daemon.events[hello["seq"] :]:
                await socket.send_json({"type": "event", **event})
        else:
            active = next((run.id for run in self.daemon.runs.values() if not run.ended), None)
            runs = [run.view() for run in reversed(self.daemon.runs.values())]
            snapshot = {
                "type": "snapshot",
                "runs": runs,
                "run": active,
                "events": self.daemon.events[:-101:-1],
                "schedule": self.daemon.jobs,
            }
            self.daemon.drift += frame_faults(snapshot)
            await socket.send_json(snapshot)
        mailbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.daemon.clients.add(mailbox)
        try:
            while True:
                await socket.send_text(json.dumps(await mailbox.get()))
        except WebSocketDisconnect:
            pass
        finally:
            self.daemon.clients.discard(mailbox)


def page(items: list[dict[str, Any]], following: str | None = None) -> JSONResponse:
    """A list of the API."""
    return JSONResponse({"items": items, "next": following})


def part(items: list[dict[str, Any]], request: Request) -> JSONResponse:
    """The part of a list that was asked for."""
    begin, limit = int(request.query_params.get("cursor", 0)), int(request.query_params.get("limit", 50))
    end = begin + limit
    return page(items[begin:end], str(end) if end < len(items) else None)


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> JSONResponse:
    """An RFC 9457 problem."""
    body = problem_body(status, detail, errors=errors)
    return JSONResponse(body, status, media_type="application/problem+json")


class Asked:
    """Remembers what was asked, and gives the answers that a test has put in the place of the fake's own."""

    def __init__(self, app: ASGIApp, daemon: FakeDaemon) -> None:
        self._app = app
        self._daemon = daemon

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        path = scope["path"].removeprefix(scope["root_path"])
        content = await request.body()
        body = json.loads(content) if content else None
        asked = dict(request.query_params) if request.method == "GET" else body
        self._daemon.asked.append((request.method, path, asked))
        self._daemon.headers.append(dict(request.headers))
        if (instead := self._daemon.answers.get((request.method, path))) is not None:
            await JSONResponse(instead[1], instead[0])(scope, receive, send)
            return
        replayed = iter([{"type": "http.request", "body": content, "more_body": False}])

        async def again() -> Message:
            return next(replayed, None) or await receive()

        await self._app(scope, again, send)


def guarded(app: ASGIApp) -> ASGIApp:
    """Put the Content-Security-Policy on every answer."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
                ]
            await send(message)

        await app(scope, receive, with_policy)

    return wrapped


if __name__ == "__main__":
    uvicorn.run(
        FakeApi(FakeDaemon.furnished()).app(),
        port=int(sys.argv[1]) if len(sys.argv) > 1 else 8799,
        log_level="warning",
    )
