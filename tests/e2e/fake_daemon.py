"""A daemon that speaks the contract over a scripted learner, to look at and test the page without the real one.

`python -m tests.e2e.fake_daemon [PORT]` serves it for a person.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.e2e.fake_run import START, FakeRun, moment

ROOT = Path(__file__).resolve().parents[2]
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
HOSTILE = '<img src="x" onerror="document.title=\'owned\'"><b>bold</b>'


@dataclass(kw_only=True)
class FakeDaemon:
    """One life of the fake: its runs, events, checkpoints and clients."""

    epoch: str = "e1"
    steps_per_tick: int = 2
    tick_seconds: float = 0.1
    heartbeat_seconds: float = 5.0
    runs: dict[str, FakeRun] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    clients: set[asyncio.Queue[dict[str, Any]]] = field(default_factory=set)
    seen: list[dict[str, Any]] = field(default_factory=list)  # every request body, for tests
    operations: int = 0

    @classmethod
    def furnished(cls, *, step: int = 5200) -> FakeDaemon:
        """A daemon with a run in the middle of its life and some history behind it."""
        daemon = cls()
        daemon.add(FakeRun(id="r-20260228-090000-1a2b", name="first words", state="finished", step=2000, hours_ago=27))
        daemon.add(FakeRun(id="r-20260228-200000-9c0d", name="larger lanes", state="crashed", step=812, hours_ago=16,
                           reason="the trainer was killed (out of memory)"))  # fmt: skip
        run = FakeRun(id="r-20260301-120000-7f3a", name="night shift", step=step, sample="def forward(self, x):\n    return ")
        daemon.add(run)
        daemon.note(run, "state_changed", "starting → running", step=0, before="starting", after="running")
        for at in range(0, step + 1, 1000):
            daemon.save(run, at=at, reason="first" if at == 0 else "auto")
        daemon.note(run, "checkpoint_failed", "Checkpoint not saved (No space left on device); trying again in 30 s", "error", step - 20)
        daemon.note(run, "source_changed", "Source notes changed: 3 files are new", "warning", step - 10)
        daemon.note(run, "experience_pushed", f"40 bytes of experience from api: {HOSTILE!r}", step=step - 5)
        daemon.jobs = [
            daemon.job("evaluation", "Score a slice of the held-out set", "every 10 min", "checked 3 sources"),
            daemon.job("pruning", "Prune checkpoints by the retention rules", "every 1 h", None),
            daemon.job("upkeep", "Vacuum and analyse the database", "daily at 04:30", "ran in 0.8 s"),
        ]
        return daemon

    @staticmethod
    def job(name: str, summary: str, trigger: str, outcome: str | None) -> dict[str, Any]:
        """A Job of the schedule."""
        last = START.isoformat() if outcome else None
        return {"id": name, "summary": summary, "trigger": trigger, "next_run": "2030-01-01T04:30:00+00:00",
                "paused": False, "last_run": last, "last_outcome": outcome}  # fmt: skip

    def add(self, run: FakeRun) -> None:
        """Take a run in and tell."""
        self.runs[run.id] = run
        self.tell({"type": "run", **run.view()})

    def tell(self, frame: dict[str, Any]) -> None:
        """Send a frame to every client."""
        for client in self.clients:
            client.put_nowait(frame)

    def note(self, run: FakeRun | None, kind: str, message: str, severity: str = "info", step: int | None = None, **data: Any) -> None:  # noqa: E501
        """Record an event and tell."""
        at = step if step is not None else (run.step if run else None)
        event = {
            "seq": len(self.events) + 1, "run": run.id if run else None, "session": run.session if run else None, "kind": kind,
            "severity": severity, "step": at, "time": moment(at or 0), "message": message, "data": data,
        }  # fmt: skip
        self.events.append(event)
        self.tell({"type": "event", **event})

    def save(self, run: FakeRun, *, reason: str, at: int | None = None) -> str:
        """Commit a checkpoint of the script."""
        step = run.step if at is None else at
        name = f"continuous_{int(moment(step))}"
        self.checkpoints.insert(0, {
            "id": name, "name": name, "run": run.id, "session": run.session, "step": step, "samples": step * 32,
            "created_at": moment(step), "reason": reason, "size_bytes": 24_117_248 + step, "bpc": 2.1, "pinned": False, "verified": True,
            "best": False, "path": f"checkpoints/{name}",
        })  # fmt: skip
        run.checkpoint = name
        self.note(run, "checkpoint_saved", f"[Checkpoint] Saved to checkpoints/{name} ({reason})", step=step)
        return name

    def set_state(self, run: FakeRun, state: str) -> None:
        """Move a run to another state and tell."""
        before, run.state = run.state, state
        self.note(run, "state_changed", f"{before} → {state}", before=before, after=state)
        self.tell({"type": "run", **run.view()})

    async def live(self) -> None:
        """Learn, a few steps a tick, while anything runs; a heartbeat now and then."""
        since_heartbeat = 0.0
        while True:
            await asyncio.sleep(self.tick_seconds)
            for run in self.runs.values():
                if run.state == "running":
                    first = run.step + 1
                    run.step += self.steps_per_tick
                    self.tell(run.delta(first, run.step))
            since_heartbeat += self.tick_seconds
            if since_heartbeat >= self.heartbeat_seconds:
                since_heartbeat = 0.0
                self.tell({"type": "heartbeat", "time": moment(0)})

    def operation(self, run: FakeRun | None, action: str, **result: Any) -> JSONResponse:
        """A done operation, as the answer of a command."""
        self.operations += 1
        step = run.step if run else 0
        body = {"id": f"op-{self.operations}", "run": run.id if run else None, "action": action, "state": "done",
                "result": {"step": step, **result}, "error": None, "created_at": START.isoformat(), "finished_at": START.isoformat()}  # fmt: skip
        return JSONResponse(body, 202)

    def app(self) -> ASGIApp:
        """The ASGI application, under the page's Content-Security-Policy."""
        routes = [
            Route("/", lambda _: FileResponse(ROOT / "dashboard" / "index.html")),
            Route("/vendor/plotly.min.js", lambda _: FileResponse(PLOTLY)),
            Mount("/static", StaticFiles(directory=ROOT / "dashboard" / "static")),
            Mount("/api/v1", routes=self.routes()),
        ]

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            task = asyncio.create_task(self.live())
            yield
            task.cancel()

        return guarded(Starlette(routes=routes, lifespan=lifespan))

    def routes(self) -> list[Route | WebSocketRoute]:
        """Routes under /api/v1."""
        return [
            Route("/presets", self.get_presets),
            Route("/runs", self.get_runs),
            Route("/runs", self.post_run, methods=["POST"]),
            Route("/runs/{run}/actions", self.post_action, methods=["POST"]),
            Route("/runs/{run}/series", self.get_series),
            Route("/runs/{run}/events", self.get_events),
            Route("/events", self.get_events),
            Route("/runs/{run}/experience", self.post_experience, methods=["POST"]),
            Route("/runs/{run}/generate", self.post_generate, methods=["POST"]),
            Route("/runs/{run}/evaluations", self.get_evaluations),
            Route("/checkpoints", self.get_checkpoints),
            Route("/checkpoints/{id}", self.delete_checkpoint, methods=["DELETE"]),
            Route("/checkpoints/{id}/{verb}", self.post_checkpoint, methods=["POST"]),
            Route("/schedule", lambda _: page(self.jobs)),
            Route("/schedule/{job}", self.patch_job, methods=["PATCH"]),
            Route("/schedule/{job}/run", self.run_job, methods=["POST"]),
            WebSocketRoute("/stream", self.stream),
        ]

    async def get_presets(self, _: Request) -> Response:
        names = {"default": "Reads the standard library on two cores", "quality": "Larger and slower", "tiny": "For tests"}
        return page([{"name": name, "summary": summary, "config": {}} for name, summary in names.items()])

    async def get_runs(self, _: Request) -> Response:
        return page([run.view() for run in reversed(self.runs.values())])

    async def post_run(self, request: Request) -> Response:
        body = await request.json()
        self.seen.append(body)
        if any(not run.ended for run in self.runs.values()):
            return problem(409, "a run is learning already")
        if "no/such/place" in body.get("config", {}).get("stream.data", []):
            return problem(422, "The configuration does not hold.", [{"path": "stream.data", "message": "no such file or folder"}])
        run = FakeRun(id=f"r-20260302-{len(self.runs):06d}-0000", name=body.get("name") or "unnamed", hours_ago=-1 - len(self.runs),
                      preset=body.get("preset", "default"), sample="once upon")  # fmt: skip
        self.add(run)
        self.save(run, reason="first")
        return JSONResponse(run.view(), 201)

    async def post_action(self, request: Request) -> Response:
        run, action = self.runs[request.path_params["run"]], (await request.json())["action"]
        if action == "pause":
            self.set_state(run, "paused")
        elif action == "continue":
            self.set_state(run, "running")
        elif action == "checkpoint":
            return self.operation(run, action, checkpoint=self.save(run, reason="manual"))
        elif action == "stop":
            name = self.save(run, reason="stop")
            self.set_state(run, "stopped")
            return self.operation(run, action, checkpoint=name)
        elif action == "evaluate":
            return self.operation(run, action, bpc={"stdlib": 2.2, "total": 2.2})
        return self.operation(run, action)

    async def get_series(self, request: Request) -> Response:
        query = request.query_params
        run = self.runs[request.path_params["run"]]
        end = int(query["to"]) if "to" in query else None
        return JSONResponse(run.series(query["metrics"].split(","), int(query.get("from", 0)), end, int(query.get("points", 1000))))

    async def get_events(self, request: Request) -> Response:
        query, run = request.query_params, request.path_params.get("run")
        events = [event for event in self.events if run in (None, event["run"]) and query.get("kind", event["kind"]) == event["kind"]]
        limit = int(query.get("limit", 50))
        if "after" in query:
            later = [event for event in events if event["seq"] > int(query["after"])]
            return page(later[:limit], str(later[limit - 1]["seq"]) if len(later) > limit else None)
        older = [event for event in reversed(events) if event["seq"] < int(query.get("cursor", sys.maxsize))]
        return page(older[:limit], str(older[limit - 1]["seq"]) if len(older) > limit else None)

    async def post_experience(self, request: Request) -> Response:
        run, text = self.runs[request.path_params["run"]], (await request.json())["text"]
        self.note(run, "experience_pushed", f"{len(text.encode())} bytes of experience from api: {text[:80]!r}")
        run.sample = text
        return self.operation(run, "feed", effective_step=run.step + 1, sequence=1)

    async def post_generate(self, request: Request) -> Response:
        run, body = self.runs[request.path_params["run"]], await request.json()
        self.seen.append(body)
        text = f"{HOSTILE} and more"
        return JSONResponse({"text": text, "bytes_generated": len(text), "step": run.step})

    async def get_evaluations(self, request: Request) -> Response:
        step = self.runs[request.path_params["run"]].step
        rows = [("stdlib", 2.13, 1.0, 40), ("notes", 2.71, 0.62, 310), (HOSTILE, 3.02, 0.11, 900)]
        return page([{"source": name, "bpc": bpc, "coverage": share, "age_steps": age, "step": step - age, "time": moment(step - age)}
                     for name, bpc, share, age in rows])  # fmt: skip

    async def get_checkpoints(self, request: Request) -> Response:
        run = request.query_params.get("run")
        return page([one for one in self.checkpoints if run in (None, one["run"])])

    async def delete_checkpoint(self, request: Request) -> Response:
        one = self._checkpoint(request)
        if one["pinned"]:
            return problem(409, f"{one['id']} is pinned. Unpin it first.")
        self.checkpoints.remove(one)
        return Response(status_code=204)

    async def post_checkpoint(self, request: Request) -> Response:
        one, verb = self._checkpoint(request), request.path_params["verb"]
        if verb in ("pin", "unpin"):
            one["pinned"] = verb == "pin"
            return JSONResponse(one)
        run = self.runs[one["run"]]
        run.step, run.session = one["step"], run.session + 1
        self.note(run, "run_resumed", f"Resumed from {one['id']}")
        self.set_state(run, "running")
        return JSONResponse(run.view(), 201)

    def _checkpoint(self, request: Request) -> dict[str, Any]:
        return next(one for one in self.checkpoints if one["id"] == request.path_params["id"])

    async def patch_job(self, request: Request) -> Response:
        job = next(one for one in self.jobs if one["id"] == request.path_params["job"])
        job.update(await request.json())
        return JSONResponse(job)

    async def run_job(self, request: Request) -> Response:
        name = request.path_params["job"]
        self.note(None, "job_finished", f"{name}: ran", job=name)
        return self.operation(None, f"job:{name}")

    async def stream(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol="synapsed.v1")
        hello = await socket.receive_json()
        resumed = hello.get("epoch") == self.epoch
        await socket.send_json({"type": "welcome", "epoch": self.epoch, "seq": len(self.events), "resumed": resumed})
        if resumed:
            for event in self.events[hello["seq"] :]:
                await socket.send_json({"type": "event", **event})
        else:
            active = next((run.id for run in self.runs.values() if not run.ended), None)
            runs = [run.view() for run in reversed(self.runs.values())]
            await socket.send_json({"type": "snapshot", "runs": runs, "run": active, "events": self.events[:-101:-1], "schedule": self.jobs})
        mailbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.clients.add(mailbox)
        try:
            while True:
                await socket.send_text(json.dumps(await mailbox.get()))
        except WebSocketDisconnect:
            pass
        finally:
            self.clients.discard(mailbox)


def page(items: list[dict[str, Any]], following: str | None = None) -> JSONResponse:
    """A list of the API."""
    return JSONResponse({"items": items, "next": following})


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> JSONResponse:
    """An RFC 9457 problem."""
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail, "errors": errors or []}
    return JSONResponse(body, status, media_type="application/problem+json")


def guarded(app: ASGIApp) -> ASGIApp:
    """Put the Content-Security-Policy on every answer."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", CONTENT_SECURITY_POLICY.encode())]
            await send(message)

        await app(scope, receive, with_policy)

    return wrapped


if __name__ == "__main__":
    uvicorn.run(FakeDaemon.furnished().app(), port=int(sys.argv[1]) if len(sys.argv) > 1 else 8799, log_level="warning")
